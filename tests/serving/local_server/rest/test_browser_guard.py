"""What a browser may do for a page of another site: nothing that reaches a model."""

import asyncio
import json

import pytest
from starlette.responses import Response

from keras_attn.serving.local_server.rest.browser_guard import BrowserGuard


def status(listening="127.0.0.1", allowed=(), method="POST", **headers):
    """Returns the status that a request with these headers gets."""
    scope = {
        "type": "http",
        "method": method,
        "headers": [
            (name.replace("_", "-").encode(), value.encode())
            for name, value in headers.items()
        ],
    }
    messages = []

    async def send(message):
        messages.append(message)

    app = BrowserGuard(listening, allowed).wrap(Response("reached"))
    asyncio.run(app(scope, None, send))
    start, body = messages
    assert (b"x-content-type-options", b"nosniff") in start["headers"]
    if start["status"] == 200:
        assert body["body"] == b"reached"
    else:
        assert "Received: " in json.loads(body["body"])["error"]
    return start["status"]


@pytest.mark.parametrize(
    ("name", "listening", "want"),
    [
        ("localhost", "127.0.0.1", 200),
        ("LocalHost.:8501", "127.0.0.1", 200),
        ("127.0.0.1:8501", "127.0.0.1", 200),
        ("127.9.9.9", "127.0.0.1", 200),
        ("[::1]:8501", "127.0.0.1", 200),
        ("10.0.0.5:8501", "10.0.0.5", 200),
        ("[fe80:0::1]", "fe80::1", 200),
        ("models.example", "models.example", 200),
        ("10.0.0.5:8501", "0.0.0.0", 200),
        ("[fe80::1]", "::", 200),
        ("10.0.0.5:8501", "127.0.0.1", 403),
        ("models.example", "0.0.0.0", 403),
        ("127.0.0.1.evil.example", "127.0.0.1", 403),
        ("localhost.evil.example", "127.0.0.1", 403),
        ("evil.example", "127.0.0.1", 403),
        ("evil@localhost", "127.0.0.1", 403),
        ("localhost:80:80", "127.0.0.1", 403),
        ("", "127.0.0.1", 403),
    ],
)
def test_the_host_is_this_server(name, listening, want):
    for method in ("GET", "POST"):
        assert status(listening, method=method, host=name) == want


def test_further_hosts_are_allowed_by_name():
    allowed = ["models.example", "10.0.0.9"]
    assert status(allowed=allowed, host="Models.Example:443") == 200
    assert status(allowed=allowed, host="10.0.0.9") == 200
    assert status(allowed=allowed, host="other.example") == 403
    assert status(allowed=["*"], host="other.example", origin="http://any") == 200


@pytest.mark.parametrize("name", ["http://a", "a:80", "a/b", "", "*.example"])
def test_an_allowed_host_is_a_name_alone(name):
    with pytest.raises(ValueError, match=r"An allowed host must be .* Received: "):
        BrowserGuard("127.0.0.1", [name])


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        ({}, 200),  # no browser
        ({"origin": "http://localhost:8501"}, 200),
        ({"origin": "http://localhost:8501", "sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "none"}, 200),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "http://localhost:8501.evil.example"}, 403),
        ({"origin": "http://127.0.0.1:8501"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[bad"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "https://front.example"}, 200),
    ],
)
def test_pages_of_other_origins_send_nothing(headers, want):
    allowed = ["front.example"]
    assert status(allowed=allowed, host="localhost:8501", **headers) == want
    # A link to this server's page stays a link.
    assert status(method="GET", host="localhost:8501", **headers) == 200


@pytest.mark.parametrize(
    ("content_type", "want"),
    [
        ("application/json", 200),
        ("application/x-www-form-urlencoded", 200),  # curl -d
        ("Text/Plain; charset=utf-8", 415),
        ("multipart/form-data; boundary=x", 415),
    ],
)
def test_types_that_only_forms_send_are_refused(content_type, want):
    assert status(host="localhost", content_type=content_type) == want
