"""The HTTP port: when it is reserved, when it answers, when it is free again."""

import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from keras_attn.serving.local_server.rest.http_server import HttpServer

APP = Starlette(
    routes=[Route("/", lambda request: Response("here"), methods=["GET", "POST"])]
)


@pytest.fixture
def server():
    server = HttpServer("127.0.0.1", 0)
    yield server
    server.stop(0)


def test_answers_from_start_to_stop(server):
    url = f"http://127.0.0.1:{server.port}/"
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    server.start(APP)
    assert httpx.get(url).text == "here"
    server.stop(1)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    again = HttpServer("127.0.0.1", server.port)
    again.stop(0)


def test_responses_are_not_delayed(server):
    """Nagle's algorithm would hold the body back for 40 ms."""
    server.start(APP)
    seconds = []
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        for _ in range(20):
            begin = time.perf_counter()
            client.post("/", content=b"body")
            seconds.append(time.perf_counter() - begin)
    assert sorted(seconds)[10] < 0.03


def test_a_port_in_use(server):
    late = HttpServer("127.0.0.1", server.port)  # neither listens yet
    server.start(APP)
    with pytest.raises(OSError, match="in use"):
        late.start(APP)
    late.stop(0)
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        HttpServer("127.0.0.1", server.port)
