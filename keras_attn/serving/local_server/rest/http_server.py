"""An HTTP port, served in a background thread."""

import contextlib
import socket
import threading

import uvicorn
from starlette.types import ASGIApp

__all__ = ["HttpServer"]

_POLL_SECONDS = 0.01


class HttpServer:
    """Serves an ASGI application over HTTP, without encryption.

    The port is reserved at once, but connections are refused until `start`.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0: any free one.

    Raises:
        OSError: If the port is not available.
    """

    def __init__(self, host: str, port: int):
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
