"""What some systems lack: file locks, reading at an offset, TensorFlow Text."""

import contextlib
import importlib.util
import os
import platform
import threading
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "check_tensorflow_text",
    "has_tensorflow_text_wheels",
    "is_locked",
    "locked",
    "read_at",
    "tensorflow_text_remedy",
]

_OFFSET = threading.Lock()


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Keeps other processes that ask for the same lock out of the block.

    On Windows, which has no such lock, the block just runs.

    Args:
        path: An existing file or folder.
        wait: Whether to wait for the process that holds the lock.

    Raises:
        BlockingIOError: If another process holds it, with `wait=False`.

    Example:

    >>> with locked(Path(".")):
    ...     print("alone")
    alone
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool | None:
    """Returns whether a process of this machine holds the lock of `locked`.

    Returns:
        `None` where that cannot be known: on Windows, and on file systems without
        such locks.

    Example:

    >>> with locked(Path(".")):
    ...     is_locked(Path("."))
    True
    """
    if fcntl is None:
        return None
    try:
        with locked(path, wait=False):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return None


def read_at(descriptor: int, size: int, begin: int) -> bytes:
    """Returns up to `size` bytes of an open file from offset `begin`.

    The file's own offset, at which `os.write` goes on, stays as it is. Threads may read
    at the same time.
    """
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, begin)
    with _OFFSET:
        offset = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, begin, os.SEEK_SET)
            return os.read(descriptor, size)
        finally:
            os.lseek(descriptor, offset, os.SEEK_SET)


def has_tensorflow_text_wheels() -> bool:
    """Returns whether the package `tensorflow-text` can be installed on this system."""
    system = platform.system()
    intel_mac = system == "Darwin" and platform.machine() == "x86_64"
    return system != "Windows" and not intel_mac


def tensorflow_text_remedy() -> str:
    """Returns the sentence that says how to get the package `tensorflow-text`."""
    if has_tensorflow_text_wheels():
        return "Install it with: pip install 'keras-attn[train]'"
    return (
        f"{platform.system()} {platform.machine()} has no wheels of it: use Linux, in "
        "WSL2, on another machine or in a container. The layers, and the client of a "
        "served translator, work here."
    )


def check_tensorflow_text(command: str) -> None:
    """Raises if the package `tensorflow-text` is missing, without importing it.

    Args:
        command: The command that needs it.

    Raises:
        ImportError: If it is not installed.
    """
    if importlib.util.find_spec("tensorflow_text") is None:
        raise ImportError(
            f"`keras-attn {command}` needs the package tensorflow-text, which is not "
            f"installed. {tensorflow_text_remedy()}"
        )
