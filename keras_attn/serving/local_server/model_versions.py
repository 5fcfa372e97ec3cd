"""Loads and unloads the versions of one model while its folder changes."""

import contextlib
import ctypes
import dataclasses
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc

from keras_attn.serving.local_server.errors import RequestError, error_code
from keras_attn.serving.local_server.model_config import VersionPolicy, latest_version
from keras_attn.serving.local_server.servable import Servable
from keras_attn.serving.version_folders import version_folders

__all__ = ["ModelVersions", "State", "return_freed_memory", "servable_not_found"]

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class State:
    """Status of one version.

    Attributes:
        name: As in TensorFlow Serving's `ModelVersionStatus.State`.
        error_code: gRPC's number of the status that loading ended with; 0: OK.
        error_message: Why the version could not be loaded.
    """

    name: str
    error_code: int = 0
    error_message: str = ""


@dataclasses.dataclass
class _Loaded:
    servable: Servable
    num_requests: int = 0  # that hold a lease
    retired: bool = False


@dataclasses.dataclass
class _Attempts:
    """Failed loads of one version."""

    failures: int = 0
    not_before: float = 0.0  # on the monotonic clock


def servable_not_found(name: str, version: int | None) -> RequestError:
    """Returns the error of a request for a model or version that is not served."""
    target = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return RequestError(
        grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {target}"
    )


class ModelVersions:
    """The versions of one model.

    `refresh` scans the folder and loads the versions that the policy selects. An old
    version is unloaded after the new one is loaded and after the last request that
    leases it, so that no request fails during a switch. A failed load is retried; after
    the last retry the version is listed with its error and its number is never loaded
    again, even if the folder is replaced: publish the repaired version under a new
    number. The previous version stays loaded.

    Args:
        name: The model's name.
        base: The folder with one folder for each version.
        load: Loads a version folder.
        policy: Selects the versions to load.
        retries: Maximum number of retries of a failed load.
        retry_seconds: Pause before each retry.
    """

    def __init__(
        self,
        name: str,
        base: Path | None,
        load: Callable[[Path], Servable],
        *,
        policy: VersionPolicy = latest_version,
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
        self._logged_error = ""
        self._has_freed_memory = False

    def configure(self, base: Path | None, policy: VersionPolicy) -> None:
        """Sets the folder and the policy, which the next `refresh` applies.

        Args:
            base: The folder; `None`: unload all versions.
            policy: Selects the versions to load.
        """
        self._base = base
        self._policy = policy

    def refresh(self) -> int | None:
        """Loads and unloads versions to match the folder.

        Must not be called by several threads at once. Changes nothing if the folder
        cannot be read. Never raises: an error is logged, and the next call tries again.

        Returns:
            The newest loaded version, or `None`.
        """
        try:
            self._load_and_unload()
            self._logged_error = ""
        except Exception as error:  # the other models must go on being watched
            self._log_once(error)
        with self._lock:
            return max(self._loaded, default=None)

    @contextlib.contextmanager
    def lease(self, version: int | None = None) -> Iterator[tuple[int, Servable]]:
        """Keeps a version loaded inside the `with` statement.

        Args:
            version: Number of the version; `None`: the newest.

        Yields:
            The version's number and its servable.

        Raises:
            RequestError: NOT_FOUND if that version is not loaded.
        """
        with self._lock:
            number = max(self._loaded, default=None) if version is None else version
            if number not in self._loaded:
                raise servable_not_found(self.name, version)
            loaded = self._loaded[number]
            loaded.num_requests += 1
        try:
            yield number, loaded.servable
        finally:
            with self._lock:
                loaded.num_requests -= 1
                is_last = loaded.retired and loaded.num_requests == 0
            if is_last:
                self._unload(number, loaded)

    def states(self) -> dict[int, State]:
        """Returns the states of all versions seen so far, newest first."""
        with self._lock:
            return dict(sorted(self._states.items(), reverse=True))

    def retire_all(self) -> None:
        """Unloads every version, each after its last request."""
        self._retire_except(frozenset())

    def _load_and_unload(self):
        # Of versions unloaded by the previous call: nothing refers to them any more.
        if self._has_freed_memory:
            self._has_freed_memory = False
            return_freed_memory()
        folders = {} if self._base is None else version_folders(self._base)
        selected = self._policy(folders)
        if self._loaded and self._base is not None and not selected:
            _LOG.warning(
                "no version of %s in %s: none is served", self.name, self._base
            )
        for number in sorted(selected - self._loaded.keys(), reverse=True):
            self._try_to_load(number, folders[number])
        self._cancel_retries_except(selected)
        # Old versions are kept until a selected one is loaded.
        if not selected or selected & self._loaded.keys():
            self._retire_except(selected)

    def _log_once(self, error):
        """Logs an error, unless the previous call had the same."""
        text = f"cannot update the versions of {self.name} from {self._base}: {error}"
        if text != self._logged_error:
            self._logged_error = text
            _LOG.error("%s", text, exc_info=not isinstance(error, OSError))

    def _try_to_load(self, number, folder):
        attempts = self._attempts.setdefault(number, _Attempts())
        if attempts.failures > self._retries or time.monotonic() < attempts.not_before:
            return
        self._set_state(number, State("LOADING"))
        _LOG.info("loading %s version %d", self.name, number)
        try:
            servable = self._load(folder)
        except Exception as error:  # a broken file must not end the server
            attempts.failures += 1
            attempts.not_before = time.monotonic() + self._retry_seconds
            self._log_failure(number, attempts, error)
            return
        with self._lock:
            self._loaded[number] = _Loaded(servable)
            self._states[number] = State("AVAILABLE")
            del self._attempts[number]
        _LOG.info("serving %s version %d", self.name, number)

    def _log_failure(self, number, attempts, error):
        # Names of files may hold bytes that are not UTF-8, which no message can carry.
        message = str(getattr(error, "message", error))
        message = message.encode("utf-8", "replace").decode()
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

    def _cancel_retries_except(self, selected):
        for number, attempts in list(self._attempts.items()):
            if number not in selected and attempts.failures <= self._retries:
                del self._attempts[number]
                self._set_state(number, State("END"))

    def _retire_except(self, selected):
        with self._lock:
            retired = {
                number: loaded
                for number, loaded in self._loaded.items()
                if number not in selected
            }
            for number, loaded in retired.items():
                del self._loaded[number]
                loaded.retired = True
                self._states[number] = State("UNLOADING")
            idle = {
                n: loaded for n, loaded in retired.items() if not loaded.num_requests
            }
        for number, loaded in idle.items():
            self._unload(number, loaded)

    def _unload(self, number, loaded):
        try:
            loaded.servable.close()
        except Exception:  # must fail neither the scan nor the version's last request
            _LOG.exception("%s version %d was not closed properly", self.name, number)
        self._has_freed_memory = True
        with self._lock:
            # A rollback may have loaded the same number again.
            if number not in self._loaded:
                self._states[number] = State("END")
        _LOG.info("unloaded %s version %d", self.name, number)

    def _set_state(self, number, state):
        with self._lock:
            self._states[number] = state


def return_freed_memory() -> bool:
    """Returns freed memory to the operating system, where the C library can.

    glibc keeps freed memory in each of its arenas, of which a server with many threads
    has many: without this, every arena would keep the size of a model's weights after
    some reloads.

    Returns:
        Whether any memory was returned.
    """
    gc.collect()  # a session and its graph refer to each other
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    return bool(trim(0))
