"""The explorer forwards two kinds of requests to a model server and no others."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from starlette.applications import Starlette

from keras_attn.serving.explorer import model_server_url, proxy_routes
from keras_attn.serving.local_server.rest.http_server import HttpServer

ANSWER = {"outputs": {"translation": ["ein „Hund“"]}}


class Recorder(BaseHTTPRequestHandler):
    """A model server that responds by the model's name and records requests."""

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        if "slow" in self.path:
            time.sleep(1)
        broken = "broken" in self.path
        content = json.dumps({"error": "no"} if broken else ANSWER).encode()
        with contextlib.suppress(BrokenPipeError):
            self.send_response(429 if broken else 200)
            self.send_header("Set-Cookie", "a=b")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def upstream():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def http(upstream):
    server = HttpServer("127.0.0.1", 0)
    url = f"http://127.0.0.1:{upstream.server_port}"
    models = ["de-en", "a b", "broken", "slow"]
    server.start(Starlette(routes=proxy_routes(url, models, timeout=0.3)))
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client
    server.stop(1.0)


def test_a_request_and_its_response_are_forwarded(http, upstream):
    body = json.dumps({"inputs": {"text": ["ein 'Hund'\u2028"]}}).encode()
    upstream.requests.clear()
    answer = http.post(
        "/v1/models/a%20b:predict", content=body, headers={"Cookie": "secret=1"}
    )
    assert (answer.status_code, answer.json()) == (200, ANSWER)
    [(method, path, headers, received)] = upstream.requests
    assert (method, path, received) == ("POST", "/v1/models/a%20b:predict", body)
    assert headers["Content-Type"] == "application/json"
    assert "Cookie" not in headers
    assert "set-cookie" not in answer.headers


def test_metadata_are_forwarded(http, upstream):
    upstream.requests.clear()
    assert http.get("/v1/models/de-en/metadata").json() == ANSWER
    assert [each[:2] for each in upstream.requests] == [
        ("GET", "/v1/models/de-en/metadata")
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/other:predict",
        "/v1/models/de-en:classify",
        "/v1/models/de-en/versions/1:predict",
        "/v1/models/..%2f..%2fadmin:predict",
        "/monitoring/prometheus/metrics",
    ],
)
def test_nothing_else_reaches_the_server(http, upstream, path):
    upstream.requests.clear()
    assert http.post(path, json={}).status_code in (404, 405)
    assert not upstream.requests


def test_a_large_request_is_refused_unread(http, upstream):
    upstream.requests.clear()
    answer = http.post("/v1/models/de-en:predict", content=b" " * (1 << 20) + b"{}")
    assert answer.status_code == 413
    assert not upstream.requests


def test_the_servers_errors_stay_its_own(http):
    answer = http.post("/v1/models/broken:predict", json={})
    assert (answer.status_code, answer.json()) == (429, {"error": "no"})


def test_a_timeout(http):
    answer = http.post("/v1/models/slow:predict", json={})
    assert answer.status_code == 504
    assert "within 0.3 seconds" in answer.json()["error"]


def test_an_unreachable_server(unused_port):
    server = HttpServer("127.0.0.1", 0)
    url = f"http://127.0.0.1:{unused_port}"
    server.start(Starlette(routes=proxy_routes(url, ["m"])))
    try:
        answer = httpx.get(f"http://127.0.0.1:{server.port}/v1/models/m/metadata")
        assert answer.status_code == 502
        assert "cannot be reached" in answer.json()["error"]
    finally:
        server.stop(1.0)


@pytest.fixture
def unused_port():
    """A port that was free a moment ago."""
    server = HttpServer("127.0.0.1", 0)
    server.stop(1.0)
    return server.port


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost:8501", "http://localhost:8501"),
        ("https://models.example/v1/models/", "https://models.example"),
        ("http://host/behind/v1", "http://host/behind"),
        ("http://[::1]:8501", "http://[::1]:8501"),
    ],
)
def test_urls_are_normalized(text, url):
    assert model_server_url(text) == url


@pytest.mark.parametrize(
    "text", ["", "ftp://host", "http://", "http://host:port", "http://h/?a", "file:///"]
)
def test_other_urls_are_refused(text):
    with pytest.raises(ValueError, match=r"http or https URL\. Received: "):
        model_server_url(text)
