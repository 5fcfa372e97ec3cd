"""The explorer forwards two kinds of requests to a model server and no others."""

import concurrent.futures
import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from starlette.applications import Starlette

from keras_attn.serving.explorer import (
    explorer_routes,
    model_server_url,
    proxy_routes,
)
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


@pytest.fixture
def proxy_of():
    """Starts a raw server that handles connections; returns a client of its proxy."""
    with contextlib.ExitStack() as stack:

        def run(handle, timeout=0.5):
            upstream = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=accept_all, args=(upstream, handle))
            thread.start()
            stack.callback(thread.join)
            stack.callback(upstream.shutdown, socket.SHUT_RDWR)
            url = f"http://127.0.0.1:{upstream.getsockname()[1]}"
            server = HttpServer("127.0.0.1", 0)
            page = explorer_routes(lambda: ["m"])
            routes = [*page, *proxy_routes(url, ["m"], timeout)]
            server.start(Starlette(routes=routes))
            stack.callback(server.stop, 1.0)
            url = f"http://127.0.0.1:{server.port}"
            return stack.enter_context(httpx.Client(base_url=url))

        yield run


def accept_all(upstream, handle):
    threads = []
    with contextlib.suppress(OSError):
        while True:
            connection, _ = upstream.accept()
            threads.append(
                threading.Thread(target=handle_one, args=(connection, handle))
            )
            threads[-1].start()
    for thread in threads:
        thread.join()


def handle_one(connection, handle):
    with connection, contextlib.suppress(OSError):
        connection.settimeout(5)
        connection.recv(65536)
        handle(connection)


def drip(connection):
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"{" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "did not answer in HTTP"),
        (b"", "did not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "did not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10**6, "did not answer in HTTP"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
            b"Content-Length: 0\r\n\r\n",
            "redirects (302), which is not followed",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * (2**24 + 1),
            "answered with more than 16777216 bytes",
        ),
    ],
)
def test_what_is_no_answer_is_a_bad_gateway(proxy_of, sent, message):
    http = proxy_of(lambda connection: connection.sendall(sent), timeout=5)
    answer = http.get("/v1/models/m/metadata")
    assert answer.status_code == 502
    assert message in answer.json()["error"]


def test_the_page_stays_up_while_the_server_drips(proxy_of):
    http = proxy_of(drip)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        begin = time.perf_counter()
        path = "/v1/models/m:predict"
        calls = [pool.submit(http.post, path, json={}) for _ in range(50)]
        assert http.get("/").status_code == 200
        assert not all(call.done() for call in calls)
        answers = [call.result() for call in calls]
        assert time.perf_counter() - begin < 5
    assert {answer.status_code for answer in answers} == {504}
    assert "within 0.5 seconds" in answers[0].json()["error"]


def test_a_page_of_another_site_cannot_use_the_proxy(http, upstream):
    upstream.requests.clear()
    headers = {"Origin": "http://evil.example"}
    answer = http.post("/v1/models/de-en:predict", json={}, headers=headers)
    assert answer.status_code == 403
    assert not upstream.requests


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
    "text",
    [
        "",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://h/?a",
        "file:///",
        "http://me:pw@h",
    ],
)
def test_other_urls_are_refused(text):
    with pytest.raises(ValueError, match=r"http or https URL\. Received: "):
        model_server_url(text)
