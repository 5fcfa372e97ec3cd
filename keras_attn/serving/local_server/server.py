"""The server: its ports, the thread that watches the folders, start and stop."""

import os
import socket
import threading
from pathlib import Path
from types import TracebackType

import grpc

from keras_attn.serving.explorer import explorer_routes
from keras_attn.serving.local_server.batching import Batcher, BatchingParameters
from keras_attn.serving.local_server.grpc_server import GrpcServer
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.model_config import ModelConfig
from keras_attn.serving.local_server.model_versions import ModelVersions
from keras_attn.serving.local_server.models import Models
from keras_attn.serving.local_server.rest.app import rest_app
from keras_attn.serving.local_server.rest.http_server import HttpServer
from keras_attn.serving.local_server.warmup import load_warm
from keras_attn.serving.version_folders import check_base

__all__ = ["LocalServer"]

_WAKE_SECONDS = 0.5
_MAX_MESSAGE_BYTES = 2**31 - 1  # protobuf's
_PORT_RULE, _POSITIVE_RULE = "must be in 0..65535", "must be positive"


class LocalServer:
    """Serves a model as TensorFlow Serving does, and others by a config reload.

    As in TensorFlow Serving the ports open once a version is loaded: until then
    connections are refused.

    Args:
        models_dir: The model's base path: a numbered SavedModel folder per version.
        name: The model's name in requests.
        host: Address to listen on.
        port: Port for gRPC; 0: any free one.
        rest_port: Port for REST; 0: any free one; `None`: no REST.
        rest_timeout: Seconds after which the run of a REST request is cancelled; gRPC
            requests have their own deadline.
        poll_seconds: Pause between two scans of the folder.
        threads: Number of threads for TensorFlow; `None`: one for each CPU.
        load_retries: Maximum number of retries of a failed load.
        load_retry_seconds: Pause before each retry.
        max_requests: Maximum number of open requests on either port; further ones are
            refused, not queued.
        max_message_bytes: Maximum size of a request on either port; larger ones are
            refused unread.
        batching: Sizes and times of batching; `None`: no batching.
        credentials: Certificates for gRPC; `None`: no encryption. REST is never
            encrypted.

    Raises:
        ValueError: If a number is out of range.
        FileNotFoundError: If `models_dir` is not a folder.

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
        rest_timeout: float = 30.0,
        poll_seconds: float = 1.0,
        threads: int | None = None,
        load_retries: int = 5,
        load_retry_seconds: float = 60.0,
        max_requests: int = 256,
        max_message_bytes: int = 64 * 2**20,
        batching: BatchingParameters | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ):
        threads = (os.cpu_count() or 1) if threads is None else threads
        _check(
            name=(name, bool(name), "must not be empty"),
            port=(port, 0 <= port <= 65535, _PORT_RULE),
            rest_port=(rest_port, 0 <= (rest_port or 0) <= 65535, _PORT_RULE),
            rest_timeout=(rest_timeout, rest_timeout > 0, _POSITIVE_RULE),
            poll_seconds=(poll_seconds, poll_seconds > 0, _POSITIVE_RULE),
            threads=(threads, threads >= 1, "must be at least 1"),
            load_retries=(load_retries, load_retries >= 0, "must not be negative"),
            load_retry_seconds=(
                load_retry_seconds,
                load_retry_seconds > 0,
                _POSITIVE_RULE,
            ),
            max_requests=(max_requests, max_requests >= 1, "must be at least 1"),
            max_message_bytes=(
                max_message_bytes,
                1 <= max_message_bytes <= _MAX_MESSAGE_BYTES,
                "must be in 1..2147483647",
            ),
        )
        check_base(models_dir)
        self.name = name
        self._models_dir = models_dir
        self._host = host
        self._port = port
        self._rest_port = rest_port
        self._rest_timeout = rest_timeout
        self._poll_seconds = poll_seconds
        self._limits = {
            "max_requests": max_requests,
            "max_message_bytes": max_message_bytes,
        }
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watch-versions")
        self._grpc: GrpcServer | None = None
        self._http: HttpServer | None = None
        self._metrics = Metrics()
        self._credentials = credentials
        self._batcher = batcher = Batcher(batching) if batching else None
        self.models = Models(
            lambda model: ModelVersions(
                model,
                None,
                lambda folder: load_warm(folder, threads, batcher),
                retries=load_retries,
                retry_seconds=load_retry_seconds,
            )
        )

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
        """`HOST:PORT` of gRPC, with the actual port."""
        return self._address(self._port)

    @property
    def rest_address(self) -> str | None:
        """`HOST:PORT` of REST, with the actual port; `None`: no REST."""
        return None if self._rest_port is None else self._address(self._rest_port)

    def start(self) -> int | None:
        """Loads a version, then serves requests in background threads.

        Returns:
            Number of the version; `None` if `request_stop` was called first.

        Raises:
            OSError: If a port is not available.
            RequestError: If no version can be loaded.
        """
        self._check_port_is_free()
        if self._rest_port is not None:
            self._http = HttpServer(self._host, self._rest_port)
            self._rest_port = self._http.port
        config = ModelConfig(self._models_dir.absolute())
        if not self.models.reload({self.name: config}, self._pause):
            return None
        self._listen()
        self._watcher.start()
        states = self.models.states(self.name).items()
        return max(number for number, state in states if state.name == "AVAILABLE")

    def request_stop(self) -> None:
        """Ends `start` or `wait` soon; safe to call in a signal handler."""
        self._stopping.set()

    def wait(self) -> None:
        """Blocks until `request_stop` is called."""
        # Python runs signal handlers in the main thread, whichever thread received the
        # signal: it must wake up now and then to do so.
        while not self._stopping.wait(_WAKE_SECONDS):
            pass

    def stop(self, grace: float = 10.0) -> None:
        """Refuses new requests, waits for the open ones and unloads the models.

        Args:
            grace: Maximum number of seconds to wait.
        """
        self._stopping.set()
        ports = [port for port in (self._grpc, self._http) if port is not None]
        self._grpc = self._http = None
        # Both at once, so that neither takes requests while the other drains.
        stoppers = [threading.Thread(target=port.stop, args=(grace,)) for port in ports]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()
        if self._watcher.is_alive():
            self._watcher.join()
        if self._batcher is not None:
            self._batcher.stop()
        self.models.retire_all()

    def _address(self, port):
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{port}"

    def _check_port_is_free(self):
        # Loading takes long: an error about the port should come before it.
        if self._port:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            socket.create_server((self._host, self._port), family=family).close()

    def _listen(self):
        self._grpc = GrpcServer(
            self.models,
            self._metrics,
            self.address,
            **self._limits,
            # Each request of a batch occupies a thread while it waits.
            handlers=self._limits["max_requests"] if self._batcher else None,
            credentials=self._credentials,
        )
        self._port = self._grpc.port
        if self._http is not None:
            app = rest_app(
                self.models,
                self._metrics,
                timeout=self._rest_timeout,
                **self._limits,
                extra_routes=explorer_routes(lambda: self.models.names),
            )
            self._http.start(app)

    def _pause(self):
        return not self._stopping.wait(self._poll_seconds)

    def _watch(self):
        while self._pause():
            self.models.refresh()


def _check(**rules):
    for argument, (value, holds, rule) in rules.items():
        if not holds:
            raise ValueError(f"`{argument}` {rule}. Received: {argument}={value!r}.")
