"""Keeps the newest version of a model loaded while its folder changes."""

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc

from serving.local_server.errors import RequestError
from serving.local_server.servable import Servable
from serving.version_folders import version_folders

__all__ = ["ModelVersions", "State"]

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


class ModelVersions:
    """The versions of one model: loaded, replaced and retired.

    `refresh` looks at the folder and makes its newest version the one that is served.
    The old version answers until the new one is loaded, and requests that have begun
    on it are answered by it, so a switch fails nobody. A version that cannot be loaded
    is listed with its error and its number is never tried again, even if the folder is
    replaced: publish the repaired version under a new number.

    Args:
        name: The model's name.
        base: The folder with one folder for each version.
        load: Loads a version folder.
    """

    def __init__(self, name: str, base: Path, load: Callable[[Path], Servable]):
        self.name = name
        self._base = base
        self._load = load
        self._lock = threading.Lock()
        self._loaded: dict[int, _Loaded] = {}
        self._states: dict[int, State] = {}
        self._burnt: set[int] = set()
        self._unreadable = False

    def refresh(self) -> int | None:
        """Brings what is served in line with the folder.

        One thread only may call this. A folder that cannot be read changes nothing.

        Returns:
            The version that is served now, or `None`.
        """
        folders = self._readable_folders()
        while folders is not None:
            wanted = max(folders.keys() - self._burnt, default=None)
            if wanted is None or wanted in self._loaded or self._try(wanted, folders):
                self._retire_all_but(wanted)
                break
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
                wanted = f"Specific({self.name}, {version})"
                if version is None:
                    wanted = f"Latest({self.name})"
                raise RequestError(
                    grpc.StatusCode.NOT_FOUND,
                    f"Servable not found for request: {wanted}",
                )
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
        self._retire_all_but(None)

    def _readable_folders(self):
        try:
            folders = version_folders(self._base)
        except OSError as error:
            if not self._unreadable:  # once, not at every look
                _LOG.error("cannot read %s: %s", self._base, error)
            self._unreadable = True
            return None
        self._unreadable = False
        return folders

    def _try(self, number, folders):
        self._set_state(number, State("LOADING"))
        _LOG.info("loading %s version %d", self.name, number)
        try:
            servable = self._load(folders[number])
        except Exception as error:  # whatever a broken file does: the server lives on
            code = getattr(error, "error_code", None) or 2  # 2: UNKNOWN
            message = str(getattr(error, "message", error))
            self._burnt.add(number)
            self._set_state(number, State("END", code, message))
            _LOG.error(
                "%s version %d cannot be loaded and will not be tried again; publish "
                "the repaired version under a new number: %s",
                self.name,
                number,
                message,
            )
            return False
        with self._lock:
            self._loaded[number] = _Loaded(servable)
            self._states[number] = State("AVAILABLE")
        _LOG.info("serving %s version %d", self.name, number)
        return True

    def _retire_all_but(self, kept):
        with self._lock:
            retired = {n: one for n, one in self._loaded.items() if n != kept}
            for number, loaded in retired.items():
                del self._loaded[number]
                loaded.retired = True
                self._states[number] = State("UNLOADING")
            idle = {n: one for n, one in retired.items() if one.requests == 0}
        for number, loaded in idle.items():
            self._unload(number, loaded)

    def _unload(self, number, loaded):
        loaded.servable.close()
        with self._lock:
            # It may have been loaded anew meanwhile, after a rollback.
            if number not in self._loaded:
                self._states[number] = State("END")
        _LOG.info("unloaded %s version %d", self.name, number)

    def _set_state(self, number, state):
        with self._lock:
            self._states[number] = state
