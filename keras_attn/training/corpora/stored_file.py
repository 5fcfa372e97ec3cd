"""A file that is read at any place, for what need not be in memory."""

import os
import tempfile
import weakref
from pathlib import Path

__all__ = ["StoredFile"]


class StoredFile:
    """Bytes on disk, open as long as the object lives.

    Each piece is read into memory when it is asked for. A memory map would do the
    same, but all that was read counts as memory of the process until the kernel wants
    it back, and a file that is cut short would end the process.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: str | Path):
        self._own(os.open(path, os.O_RDONLY))

    def _own(self, descriptor: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    @classmethod
    def unnamed(cls, folder: str | Path | None) -> "StoredFile":
        """Makes an empty file to write to, that nobody has to remove.

        It has no name, so that it is gone with the object, or with the process.

        Args:
            folder: On whose disk; `None`: where the system has its temporary files.
        """
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=".writing-")
        os.unlink(name)
        made = cls.__new__(cls)
        made._own(descriptor)
        return made

    def append(self, data: bytes) -> None:
        """Writes at the end.

        Raises:
            OSError: The disk is full, or cannot be written to.
        """
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def read(self, begin: int, size: int) -> bytes:
        """Returns `size` bytes from `begin` on.

        Raises:
            OSError: The file is shorter, or cannot be read.
        """
        data = os.pread(self._descriptor, size, begin)
        while len(data) < size:
            more = os.pread(self._descriptor, size - len(data), begin + len(data))
            if not more:
                raise OSError(
                    "A stored file must keep its length while it is in use. Received: "
                    f"{len(data)} bytes of {size} at {begin}. Was it changed?"
                )
            data += more
        return data
