"""An HTTP port, served in a background thread."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Collection

import anyio
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from keras_attn.serving.local_server.rest.browser_guard import BrowserGuard

__all__ = ["HttpServer"]

_POLL_SECONDS = 0.01


class HttpServer:
    """Serves an ASGI application over HTTP, without encryption.

    The port is reserved at once, but connections are refused until `start`.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0: any free one.
        allowed_hosts: Names besides `host` and the loopback ones by which clients may
            call the server; see `BrowserGuard`.
        idle_seconds: Seconds within which a client must begin a request, or read some
            more of a response; otherwise the connection ends.

    Raises:
        OSError: If the port is not available.
        ValueError: If an allowed host is malformed.
    """

    def __init__(
        self,
        host: str,
        port: int,
        allowed_hosts: Collection[str] = (),
        idle_seconds: float = 10.0,
    ):
        self._guard = BrowserGuard(host, allowed_hosts)
        self._protocol = type("_Protocol", (_Protocol,), {"idle_seconds": idle_seconds})
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Only with this protocol number does asyncio disable Nagle's algorithm, which
        # would delay each response by 40 ms.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise OSError(
                error.errno, f"cannot listen on {host}:{port}: {error.strerror}"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, app: ASGIApp) -> None:
        """Serves `app` in a background thread.

        Raises:
            OSError: If another process listens on the port by now.
        """
        self._socket.listen()  # an error here would otherwise end the thread
        config = uvicorn.Config(
            self._guard.wrap(app),
            http=self._protocol,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
        )
        server = uvicorn.Server(config)
        self._server = server
        self._thread = threading.Thread(
            target=_run, args=(server, self._socket), name="http", daemon=True
        )
        self._thread.start()
        while not server.started and self._thread.is_alive():
            self._thread.join(_POLL_SECONDS)

    def stop(self, grace: float) -> None:
        """Refuses new requests, waits for the open ones and frees the port.

        Args:
            grace: Maximum number of seconds to wait.
        """
        if self._server is not None and self._thread is not None:
            self._server.config.timeout_graceful_shutdown = max(1, round(grace))
            self._server.should_exit = True
            self._thread.join()
        with contextlib.suppress(OSError):
            self._socket.close()


def _run(server, listening_socket):
    anyio.run(anyio.sleep, 0)  # imports what the first request would wait for
    server.run([listening_socket])


class _Protocol(H11Protocol):
    """HTTP/1.1 that ends connections whose client neither sends nor reads.

    Uvicorn itself waits without end for the rest of a request's head, and for a client
    to take a response, which stays in memory meanwhile.
    """

    idle_seconds: float
    _watchdog: asyncio.TimerHandle

    def connection_made(self, transport):
        super().connection_made(transport)
        self._watch()

    def on_response_complete(self):
        self._watchdog.cancel()
        self._watch()  # first, since a pipelined request begins at once
        super().on_response_complete()

    def connection_lost(self, exc):
        self._watchdog.cancel()
        super().connection_lost(exc)

    def _watch(self):
        unsent = self.transport.get_write_buffer_size()
        self._watchdog = self.loop.call_later(
            self.idle_seconds, self._end_if_idle, self.cycle, unsent
        )

    def _end_if_idle(self, cycle, unsent):
        remaining = self.transport.get_write_buffer_size()
        if 0 < remaining < unsent:
            self._watch()
        elif remaining or self.cycle is cycle:  # no request has begun since
            self.transport.abort()
