"""A file on disk for data that need not be in memory."""

import os
import tempfile
import weakref
from pathlib import Path

from keras_attn.portable import read_at

__all__ = ["StoredFile"]


class StoredFile:
    """A file with random access, open as long as the object lives.

    A memory map would do the same, but every page that was read would count as memory
    of the process until the kernel reclaims it, and a truncated file would kill the
    process.

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: str | Path):
        self._own(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))

    def _own(self, descriptor: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    @classmethod
    def unnamed(cls, folder: str | Path | None) -> "StoredFile":
        """Returns an empty file without a name.

        The system removes it with the object, or with the process.

        Args:
            folder: Folder on whose disk it is; `None`: the system's folder for
                temporary files.
        """
        file = cls.__new__(cls)
        with tempfile.TemporaryFile(dir=folder, prefix=".writing-") as temporary:
            file._own(os.dup(temporary.fileno()))
        return file

    def append(self, data: bytes) -> None:
        """Appends bytes.

        Raises:
            OSError: The disk is full, or cannot be written to.
        """
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[os.write(self._descriptor, remaining) :]

    def read(self, begin: int, size: int) -> bytes:
        """Returns `size` bytes from offset `begin`.

        Raises:
            OSError: The file is shorter, or cannot be read.
        """
        data = read_at(self._descriptor, size, begin)
        while len(data) < size:
            more = read_at(self._descriptor, size - len(data), begin + len(data))
            if not more:
                raise OSError(
                    "A stored file must keep its length while it is in use. Received: "
                    f"{len(data)} bytes of {size} at {begin}. Was it changed?"
                )
            data += more
        return data
