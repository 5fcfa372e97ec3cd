"""Keeps the wanted versions of a model loaded while its folder changes."""

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc

from keras_attn.serving.local_server.errors import RequestError, error_code
from keras_attn.serving.local_server.freed_memory import return_freed_memory
from keras_attn.serving.local_server.servable import Servable
from keras_attn.serving.local_server.version_policies import VersionPolicy, newest
from keras_attn.serving.version_folders import version_folders

__all__ = ["ModelVersions", "State", "unavailable"]

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class State:
    """What there is to say of one version.

    Attributes:
        name: As in TensorFlow Serving's `ModelVersionStatus.State`.
        error_code: gRPC's number of the code that loading ended with; 0: none.
        error_message: Why the version could not be loaded.
    """

    name: str
    error_code: int = 0
    error_message: str = ""


@dataclasses.dataclass
class _Loaded:
    servable: Servable
    requests: int = 0  # being answered now
    retired: bool = False


@dataclasses.dataclass
class _Attempts:
    """What came of loading a version that is not loaded."""

    failures: int = 0
    not_before: float = 0.0  # on the monotonic clock


def unavailable(name: str, version: int | None) -> RequestError:
    """Returns the error of a request for a model or version that is not served."""
    wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return RequestError(
        grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}"
    )


class ModelVersions:
    """The versions of one model: loaded, replaced and retired.

    `refresh` looks at the folder and brings what is served in line with it. An old
    version answers until a new one is loaded, and requests that have begun on it are
    answered by it, so a switch fails nobody. Loading that fails is tried again some
    times; a version that never loads is listed with its error, and its number is never
    tried again, even if the folder is replaced: publish the repaired version under a
    new number. What was served before it goes on.

    Args:
        name: The model's name.
        base: The folder with one folder for each version.
        load: Loads a version folder.
        policy: Which of the versions in the folder are wanted.
        retries: How often loading that failed is tried again.
        retry_seconds: Pause before each.
    """

    def __init__(
        self,
        name: str,
        base: Path | None,
        load: Callable[[Path], Servable],
        *,
        policy: VersionPolicy = newest,
        retries: int = 0,
        retry_seconds: float = 60.0,
    ):
        self.name = name
        self._base = base
        self._policy = policy
        self._load = load
        self._retries = retries
        self._retry_seconds = retry_seconds
        self._lock = threading.Lock()
        self._loaded: dict[int, _Loaded] = {}
        self._states: dict[int, State] = {}
        self._attempts: dict[int, _Attempts] = {}
        self._unreadable = False
        self._memory_is_free = False

    def configure(self, base: Path | None, policy: VersionPolicy) -> None:
        """Serves from another folder, or others of its versions, from `refresh` on.

        Args:
            base: The folder; `None`: nothing is served any more.
            policy: Which of the versions in the folder are wanted.
        """
        self._base = base
        self._policy = policy

    def refresh(self) -> int | None:
        """Brings what is served in line with the folder.

        One thread at a time may call this. A folder that cannot be read changes
        nothing.

        Returns:
            The newest version that is served now, or `None`.
        """
        # Of what was unloaded before: by now nothing refers to it any more.
        if self._memory_is_free:
            self._memory_is_free = False
            return_freed_memory()
        folders = self._readable_folders()
        if folders is not None:
            wanted = self._policy(folders)
            for number in sorted(wanted - self._loaded.keys(), reverse=True):
                self._try(number, folders[number])
            self._give_up_all_but(wanted)
            # Without a wanted one in its place an old version goes on.
            if not wanted or wanted & self._loaded.keys():
                self._retire_all_but(wanted)
        with self._lock:
            return max(self._loaded, default=None)

    @contextlib.contextmanager
    def lease(self, version: int | None = None) -> Iterator[tuple[int, Servable]]:
        """Holds a version for the time of one request.

        Args:
            version: Which one; `None`: the newest.

        Yields:
            The version's number and the version, which stays loaded until the end of
            the `with` statement.

        Raises:
            RequestError: NOT_FOUND if that version is not served.
        """
        with self._lock:
            number = max(self._loaded, default=None) if version is None else version
            if number not in self._loaded:
                raise unavailable(self.name, version)
            loaded = self._loaded[number]
            loaded.requests += 1
        try:
            yield number, loaded.servable
        finally:
            with self._lock:
                loaded.requests -= 1
                last = loaded.retired and loaded.requests == 0
            if last:
                self._unload(number, loaded)

    def states(self) -> dict[int, State]:
        """Returns every version seen so far, newest first."""
        with self._lock:
            return dict(sorted(self._states.items(), reverse=True))

    def retire_all(self) -> None:
        """Unloads everything, each version after the last request that holds it."""
        self._retire_all_but(frozenset())

    def _readable_folders(self):
        if self._base is None:
            return {}
        try:
            folders = version_folders(self._base)
        except OSError as error:
            if not self._unreadable:  # once, not at every look
                _LOG.error("cannot read %s: %s", self._base, error)
            self._unreadable = True
            return None
        self._unreadable = False
        return folders

    def _try(self, number, folder):
        attempts = self._attempts.setdefault(number, _Attempts())
        if attempts.failures > self._retries or time.monotonic() < attempts.not_before:
            return
        self._set_state(number, State("LOADING"))
        _LOG.info("loading %s version %d", self.name, number)
        try:
            servable = self._load(folder)
        except Exception as error:  # whatever a broken file does: the server lives on
            attempts.failures += 1
            attempts.not_before = time.monotonic() + self._retry_seconds
            self._tell_failure(number, attempts, error)
            return
        with self._lock:
            self._loaded[number] = _Loaded(servable)
            self._states[number] = State("AVAILABLE")
            del self._attempts[number]
        _LOG.info("serving %s version %d", self.name, number)

    def _tell_failure(self, number, attempts, error):
        message = str(getattr(error, "message", error))
        if attempts.failures <= self._retries:
            _LOG.error(
                "%s version %d cannot be loaded and will be tried again in %g s (%d of "
                "%d): %s",
                self.name,
                number,
                self._retry_seconds,
                attempts.failures,
                self._retries,
                message,
            )
            return
        code = error_code(error)
        self._set_state(number, State("END", code.value[0], message))
        _LOG.error(
            "%s version %d cannot be loaded and will not be tried again; publish the "
            "repaired version under a new number: %s",
            self.name,
            number,
            message,
        )

    def _give_up_all_but(self, wanted):
        """Ends what was to be tried again, but is not wanted any more."""
        for number, attempts in list(self._attempts.items()):
            if number not in wanted and attempts.failures <= self._retries:
                del self._attempts[number]
                self._set_state(number, State("END"))

    def _retire_all_but(self, kept):
        with self._lock:
            retired = {n: one for n, one in self._loaded.items() if n not in kept}
            for number, loaded in retired.items():
                del self._loaded[number]
                loaded.retired = True
                self._states[number] = State("UNLOADING")
            idle = {n: one for n, one in retired.items() if one.requests == 0}
        for number, loaded in idle.items():
            self._unload(number, loaded)

    def _unload(self, number, loaded):
        loaded.servable.close()
        self._memory_is_free = True
        with self._lock:
            # It may have been loaded anew meanwhile, after a rollback.
            if number not in self._loaded:
                self._states[number] = State("END")
        _LOG.info("unloaded %s version %d", self.name, number)

    def _set_state(self, number, state):
        with self._lock:
            self._states[number] = state
