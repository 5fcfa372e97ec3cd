"""A port that speaks HTTP, in a thread of its own."""

import contextlib
import socket
import threading

import uvicorn
from starlette.types import ASGIApp

__all__ = ["HttpServer"]

_POLL_SECONDS = 0.01


class HttpServer:
    """Serves an ASGI application over HTTP, without encryption.

    The port is taken at once, but answers only after `start`: until then a client is
    told that nobody is there.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0: any free one.

    Raises:
        OSError: If the port cannot be had.
    """

    def __init__(self, host: str, port: int):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
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
        """Answers requests by `app`, in a thread of its own.

        Raises:
            OSError: If another process has begun to listen on the port.
        """
        self._socket.listen()  # raises here what would otherwise end the thread
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
        )
        server = uvicorn.Server(config)
        self._server = server
        self._thread = threading.Thread(
            target=server.run, args=([self._socket],), name="http", daemon=True
        )
        self._thread.start()
        while not server.started and self._thread.is_alive():
            self._thread.join(_POLL_SECONDS)

    def stop(self, grace: float) -> None:
        """Takes no more requests, answers those that it has, frees the port.

        Args:
            grace: Seconds that running requests are given.
        """
        if self._server is not None and self._thread is not None:
            self._server.config.timeout_graceful_shutdown = max(1, round(grace))
            self._server.should_exit = True
            self._thread.join()
        with contextlib.suppress(OSError):
            self._socket.close()
