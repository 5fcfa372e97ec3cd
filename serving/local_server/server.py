"""The server itself: its ports, a folder that is watched, a start and an end."""

import logging
import os
import socket
import threading
from concurrent import futures
from pathlib import Path
from types import TracebackType

import grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from serving.explorer import explorer_routes
from serving.local_server.grpc_services import ModelService, PredictionService
from serving.local_server.model_versions import ModelVersions
from serving.local_server.models import Models
from serving.local_server.rest.app import rest_app
from serving.local_server.rest.server import HttpServer
from serving.local_server.servable import load_servable
from serving.version_folders import check_base

__all__ = ["LocalServer"]

_LOG = logging.getLogger(__name__)
_MAX_MESSAGE_BYTES = 2**31 - 1
_WAKE_SECONDS = 0.5
_MIN_HANDLERS = 8
_HANDLERS_PER_CPU = 4  # TensorFlow Serving's own default


class LocalServer:
    """Serves one model by TensorFlow Serving's gRPC and REST.

    As TensorFlow Serving does, it opens its ports when a first version is loaded:
    until then clients are told that nobody is there.

    Args:
        models_dir: The model's base path: one numbered SavedModel folder a version.
        name: The model's name in requests.
        host: Address to listen on.
        port: Port for gRPC; 0: any free one.
        rest_port: Port for REST; 0: any free one; `None`: no REST.
        poll_seconds: Pause between two looks at the folder.
        threads: Threads for TensorFlow; `None`: one for each CPU.

    Raises:
        ValueError: If a number is out of range.
        FileNotFoundError: If `models_dir` is no folder.

    Example (where `models/1` is a SavedModel):

        with LocalServer(Path("models"), port=0) as server:
            if server.start():
                print(server.address)
    """

    def __init__(
        self,
        models_dir: Path,
        *,
        name: str = "translator",
        host: str = "127.0.0.1",
        port: int = 0,
        rest_port: int | None = None,
        poll_seconds: float = 1.0,
        threads: int | None = None,
    ):
        threads = (os.cpu_count() or 1) if threads is None else threads
        _check(name, port, rest_port, poll_seconds, threads)
        check_base(models_dir)
        self._models_dir = models_dir
        self._host = host
        self._port = port
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watch-versions")
        self._server: grpc.Server | None = None
        self._rest_port = rest_port
        self._http: HttpServer | None = None
        self.versions = ModelVersions(
            name, models_dir, lambda folder: load_servable(folder, threads)
        )
        self.models = Models({name: self.versions})

    def __enter__(self) -> "LocalServer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """`HOST:PORT` of gRPC, with the port that was chosen."""
        return self._address(self._port)

    @property
    def rest_address(self) -> str | None:
        """`HOST:PORT` of REST, with the port that was chosen; `None`: no REST."""
        return None if self._rest_port is None else self._address(self._rest_port)

    def start(self) -> int | None:
        """Loads a version and answers requests, in threads of its own.

        Returns:
            The version that is served; `None` if `request_stop` came first.

        Raises:
            OSError: If a port cannot be had.
        """
        self._check_port_is_free()
        if self._rest_port is not None:
            self._http = HttpServer(self._host, self._rest_port)
            self._rest_port = self._http.port
        version = self._first_version()
        if version is None:
            return None
        self._listen()
        if self._http is not None:
            page = explorer_routes([self.versions.name])
            self._http.start(rest_app(self.models, extra_routes=page))
        self._watcher.start()
        return version

    def request_stop(self) -> None:
        """Asks for the end and returns at once: a signal handler may call it."""
        self._stopping.set()

    def wait(self) -> None:
        """Returns when `request_stop` was called."""
        # The system may give a signal to any thread, but Python's handler runs in the
        # main one: it must not sleep so deep that it never comes to run it.
        while not self._stopping.wait(_WAKE_SECONDS):
            pass

    def stop(self, grace: float = 10.0) -> None:
        """Takes no more requests, answers those that it has, frees everything.

        Args:
            grace: Seconds that running requests are given.
        """
        self._stopping.set()
        ended = None if self._server is None else self._server.stop(grace)
        if self._http is not None:
            self._http.stop(grace)
            self._http = None
        if ended is not None:
            ended.wait()
            self._server = None
        if self._watcher.is_alive():
            self._watcher.join()
        self.versions.retire_all()

    def _address(self, port):
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{port}"

    def _check_port_is_free(self):
        # Loading takes long enough that a port in use should be told before it.
        if self._port:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            socket.create_server((self._host, self._port), family=family).close()

    def _first_version(self):
        version = self.versions.refresh()
        if version is None:
            _LOG.warning("waiting for a version in %s", self._models_dir)
        while version is None and not self._stopping.wait(self._poll_seconds):
            version = self.versions.refresh()
        return version

    def _listen(self):
        handlers = max(_MIN_HANDLERS, _HANDLERS_PER_CPU * (os.cpu_count() or 1))
        server = grpc.server(
            futures.ThreadPoolExecutor(handlers, thread_name_prefix="request"),
            options=[
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", -1),
                # With it, a second server on the same port would silently take a
                # share of the requests.
                ("grpc.so_reuseport", 0),
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(self.models), server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self.models), server
        )
        try:
            self._port = server.add_insecure_port(self.address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self.address}: {error}") from error
        server.start()
        self._server = server

    def _watch(self):
        while not self._stopping.wait(self._poll_seconds):
            self.versions.refresh()


def _check(name, port, rest_port, poll_seconds, threads):
    rules = {
        "`name` must not be empty": (name, "name", bool(name)),
        "`port` must be in 0..65535": (port, "port", 0 <= port <= 65535),
        "`rest_port` must be in 0..65535": (
            rest_port,
            "rest_port",
            0 <= (rest_port or 0) <= 65535,
        ),
        "`poll_seconds` must be positive": (
            poll_seconds,
            "poll_seconds",
            poll_seconds > 0,
        ),
        "`threads` must be at least 1": (threads, "threads", threads >= 1),
    }
    for rule, (value, argument, holds) in rules.items():
        if not holds:
            raise ValueError(f"{rule}. Received: {argument}={value!r}.")
