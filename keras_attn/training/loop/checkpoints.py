"""The files from which an interrupted training continues."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from keras_attn.command_line import atomic_write

__all__ = ["Checkpoints"]


class Checkpoints:
    """The newest few states of a training, one file each.

    A file is written under another name, flushed to the disk and renamed before an
    older one is removed: whenever the process dies, the last complete one exists. It is
    an `.npz`, whose CRC-32 of each array is compared before anything of it is believed.

    Args:
        folder: Folder of the files.
        keep: Number of files to keep.

    Example:
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoints = Checkpoints(Path(folder), keep=1)
    ...     for step in (1, 2):
    ...         path = checkpoints.save(step, {"weights": np.full(2, step)})
    ...     arrays = checkpoints.load_newest(print, check=lambda arrays: None)
    >>> path.name, arrays["weights"].tolist()
    ('step-000000002.npz', [2, 2])
    """

    def __init__(self, folder: Path, keep: int):
        self.folder = folder
        self.keep = keep

    def save(
        self, step: int, arrays: Mapping[str, np.ndarray], *, remove_old: bool = True
    ) -> Path:
        """Writes a state and removes the oldest ones beyond `keep`.

        Files of later steps are removed as well: they were passed over when the run was
        resumed, and would be again.

        Args:
            step: Number of the training step.
            arrays: The state, by name.
            remove_old: Whether to remove older files.

        Raises:
            OSError: If it cannot be written. The earlier states stay.
        """
        path = self.folder / f"step-{step:09d}.npz"
        try:
            with atomic_write(path) as temporary:
                np.savez(temporary, **arrays)  # type: ignore[arg-type]
        except OSError as error:
            last = max(self._files(), default=None)
            raise OSError(
                f"A checkpoint must fit on the disk. Received: {error}, when writing "
                f"{path}. Make room and run the same command again: it continues from "
                f"{'the start' if last is None else last.name}."
            ) from error
        files = sorted(self._files())
        last = files.index(path)
        old = files[: max(last + 1 - self.keep, 0)] if remove_old else []
        for other in [*old, *files[last + 1 :]]:
            other.unlink()
        return path

    def load_newest(
        self,
        log: Callable[[str], None],
        check: Callable[[Mapping[str, np.ndarray]], None],
    ) -> dict[str, np.ndarray] | None:
        """Returns the newest undamaged state; `None` if all are damaged.

        Args:
            log: Called with a line for each file that is passed over.
            check: Raises `ValueError` for a state of another training.

        Raises:
            OSError: If a file must not be read.
            ValueError: Of `check`, if no file holds a state of this training but one
                holds that of another.
        """
        files = sorted(self._files(), reverse=True)
        mismatch = None
        for path in files:
            try:
                arrays = _read_arrays(path)
                check(arrays)
                return arrays
            except (PermissionError, MemoryError):  # the file may be good
                raise
            except _ReadError as error:
                log(f"{path} is damaged ({error}): trying the one before")
            except ValueError as error:
                mismatch = mismatch or error
                log(f"{path} is not of this training: trying the one before")
        if mismatch is not None:
            raise mismatch
        if files:
            log(f"no checkpoint in {self.folder} can be read: starting again")
        return None

    def _files(self):
        return list(self.folder.glob("step-*.npz"))


class _ReadError(Exception):
    """A checkpoint is damaged; the message says how."""


def _read_arrays(path):
    with open(path, "rb") as file:
        try:
            return _parse_arrays(file)
        except (PermissionError, MemoryError):
            raise
        # Damaged bytes make `zipfile` and NumPy raise nearly anything.
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise _ReadError(reason[:100]) from error  # it may quote the bytes


def _parse_arrays(file):
    # `np.load` parses the header of an array before the CRC is compared, which happens
    # at the end of the member only. `ZipFile.read` compares it first.
    with zipfile.ZipFile(file) as members:
        size = file.seek(0, io.SEEK_END)
        for member in members.infolist():
            # `read` allocates what the directory claims.
            if max(member.compress_size, member.file_size) > size:
                raise ValueError(f"{member.filename} is longer than the file")
        arrays = {
            name.removesuffix(".npy"): np.lib.format.read_array(
                io.BytesIO(members.read(name)), allow_pickle=False
            )
            for name in members.namelist()
        }
    # A damaged length in the directory of the file can hide members. Their number is in
    # the record of 22 bytes that ends the file; `zipfile` does not compare it.
    file.seek(-12, io.SEEK_END)
    count = int.from_bytes(file.read(2), "little")
    if len(arrays) != count or not arrays:
        raise ValueError(f"{len(arrays)} of {count} arrays in the directory")
    return arrays
