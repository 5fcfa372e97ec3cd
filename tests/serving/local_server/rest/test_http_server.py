"""The HTTP port: when it is reserved, when it answers, when it is free again."""

import contextlib
import socket
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


@pytest.fixture
def hasty_server():
    """A server that waits 0.1 seconds for its clients."""
    server = HttpServer("127.0.0.1", 0, idle_seconds=0.1)
    yield server
    server.stop(0)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"]
)
def test_a_request_that_never_begins_ends_the_connection(hasty_server, sent):
    hasty_server.start(APP)
    address = ("127.0.0.1", hasty_server.port)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_a_response_that_nobody_reads_ends_the_connection(hasty_server):
    hasty_server.start(Response(b"x" * 2**24))
    address = ("127.0.0.1", hasty_server.port)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.4)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(2**20):
                received += len(part)
        assert received < 2**24
    url = f"http://127.0.0.1:{hasty_server.port}/"
    assert len(httpx.get(url).content) == 2**24


def test_a_port_in_use(server):
    late = HttpServer("127.0.0.1", server.port)  # neither listens yet
    server.start(APP)
    with pytest.raises(OSError, match="in use"):
        late.start(APP)
    late.stop(0)
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        HttpServer("127.0.0.1", server.port)
