"""The server: its ports, the thread that watches the folders, start and stop."""

import logging
import os
import socket
import threading
import time
from collections.abc import Sequence
from concurrent import futures
from pathlib import Path
from types import TracebackType

import grpc

from keras_attn.serving.explorer import explorer_routes
from keras_attn.serving.local_server.batching import Batcher, BatchingParameters
from keras_attn.serving.local_server.grpc_server import GrpcServer
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.metrics import Metrics
from keras_attn.serving.local_server.model_config import ModelConfig
from keras_attn.serving.local_server.model_versions import ModelVersions
from keras_attn.serving.local_server.models import Models
from keras_attn.serving.local_server.rest.app import rest_app
from keras_attn.serving.local_server.rest.http_server import HttpServer
from keras_attn.serving.local_server.warmup import load_warm
from keras_attn.serving.version_folders import check_base

__all__ = ["LocalServer"]

_LOG = logging.getLogger(__name__)
_WAKE_SECONDS = 0.5
# After the grace of `stop`: for what was cancelled at its end, and for what ends soon.
_END_SECONDS = 1.0
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
        limits: Limits of the requests to either port; `None`: the default ones.
        batching: Sizes and times of batching; `None`: no batching.
        credentials: Certificates for gRPC; `None`: no encryption. REST is never
            encrypted.
        reload_roots: Folders besides `models_dir` in or below which the base paths of
            `HandleReloadConfigRequest` may lie. Whoever reaches the port may send it,
            and a SavedModel is a program: keep them few.
        allowed_hosts: Names besides `host` and the loopback ones by which REST may be
            called, and whose pages may call it; `"*"` allows all.

    Raises:
        ValueError: If a number is out of range.
        FileNotFoundError: If `models_dir` or one of `reload_roots` is not a folder.

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
        limits: Limits | None = None,
        batching: BatchingParameters | None = None,
        credentials: grpc.ServerCredentials | None = None,
        reload_roots: Sequence[Path] = (),
        allowed_hosts: Sequence[str] = (),
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
        )
        check_base(models_dir)
        for root in reload_roots:
            if not root.is_dir():
                raise FileNotFoundError(
                    "`reload_roots` must be folders, in or below which a reload may "
                    f"name base paths. Received: {root}. Make it, or leave it out."
                )
        self.name = name
        self._models_dir = models_dir
        self._host = host
        self._port = port
        self._rest_port = rest_port
        self._allowed_hosts = allowed_hosts
        self._rest_timeout = rest_timeout
        self._poll_seconds = poll_seconds
        self._limits = limits or Limits()
        self._stopping = threading.Event()
        self._started: futures.Future[int | None] = futures.Future()
        # A daemon: Python would wait at its end for a load, which runs in C++.
        self._watcher = threading.Thread(
            target=self._watch, name="watch-versions", daemon=True
        )
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
            ),
            roots=[root.absolute() for root in (models_dir, *reload_roots)],
            limits=self._limits,
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
            self._http = HttpServer(
                self._host,
                self._rest_port,
                self._allowed_hosts,
                self._limits.body_seconds,
            )
            self._rest_port = self._http.port
        # Loading and warm-up run in C++, which cannot be interrupted: in this thread
        # they would keep `request_stop` waiting, and signals from their handlers.
        self._watcher.start()
        while not self._started.done():
            futures.wait([self._started], timeout=_WAKE_SECONDS)
            if self._stopping.is_set():
                return None
        version = self._started.result()
        if version is not None:
            self._listen()
        return version

    def request_stop(self) -> None:
        """Ends `start` or `wait` soon; safe to call in a signal handler."""
        self._stopping.set()

    def wait(self) -> None:
        """Blocks until `request_stop` is called."""
        # Python runs signal handlers in the main thread, whichever thread received the
        # signal: it must wake up now and then to do so.
        while not self._stopping.wait(_WAKE_SECONDS):
            pass

    def stop(self, grace: float = 10.0, load_grace: float | None = None) -> bool:
        """Refuses new requests, waits for the open ones and unloads the models.

        Args:
            grace: Maximum number of seconds to wait for the open requests.
            load_grace: Maximum number of seconds to wait, after the requests, for a
                load that is running; `None`: what is left of `grace`.

        Returns:
            Whether everything has ended, at most a second later. If not, a load or a
            run goes on in C++, where Python cannot interrupt it; only the end of the
            process does (`os._exit`, since the interpreter would wait for its thread).
        """
        self._stopping.set()
        deadline = time.monotonic() + grace + _END_SECONDS
        ports = [port for port in (self._grpc, self._http) if port is not None]
        self._grpc = self._http = None
        # Both at once, so that neither takes requests while the other drains.
        threads = [
            threading.Thread(target=port.stop, args=(grace,), daemon=True)
            for port in ports
        ]
        for thread in threads:
            thread.start()
        ended = _join(threads, deadline)
        if load_grace is not None:
            deadline = min(deadline, time.monotonic() + load_grace + _END_SECONDS)
        if self._watcher.is_alive():
            ended &= _join([self._watcher], deadline)
        if self._batcher is not None:
            stopper = threading.Thread(target=self._batcher.stop, daemon=True)
            stopper.start()
            ended &= _join([stopper], deadline)
        return self.models.retire_all(_seconds_until(deadline)) and ended

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
            limits=self._limits,
            credentials=self._credentials,
        )
        self._port = self._grpc.port
        if self._http is not None:
            app = rest_app(
                self.models,
                self._metrics,
                timeout=self._rest_timeout,
                limits=self._limits,
                extra_routes=explorer_routes(lambda: self.models.names),
            )
            self._http.start(app)

    def _pause(self):
        return not self._stopping.wait(self._poll_seconds)

    def _watch(self):
        """Loads the first version, then looks for others until the server stops."""
        try:
            self._started.set_result(self._load_first())
        except BaseException as error:  # is raised by `start`
            self._started.set_exception(error)
            return
        while self._pause():
            try:
                self.models.refresh()
            except BaseException:  # without this thread no version is ever loaded again
                _LOG.exception("a scan for versions failed; the next one follows")

    def _load_first(self):
        config = ModelConfig(self._models_dir.absolute())
        if not self.models.reload({self.name: config}, self._pause):
            return None
        states = self.models.states(self.name).items()
        return max(number for number, state in states if state.name == "AVAILABLE")


def _join(threads, deadline):
    """Waits for threads; returns whether all have ended by the deadline."""
    for thread in threads:
        thread.join(_seconds_until(deadline))
    return not any(thread.is_alive() for thread in threads)


def _seconds_until(deadline):
    return max(0.0, deadline - time.monotonic())


def _check(**rules):
    for argument, (value, holds, rule) in rules.items():
        if not holds:
            raise ValueError(f"`{argument}` {rule}. Received: {argument}={value!r}.")
