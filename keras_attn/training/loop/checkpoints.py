"""The files from which an interrupted training continues."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from keras_attn.training.runs.run_folder import atomic_write

__all__ = ["Checkpoints"]


class Checkpoints:
    """The newest few states of a training, one file each.

    A file is written under another name, flushed to the disk and renamed before an
    older one is removed: whenever the process dies, the last complete one exists. It is
    an `.npz`, whose CRC-32 of each array is compared when it is read.

    Args:
        folder: Folder of the files.
        keep: Number of files to keep.

    Example:
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoints = Checkpoints(Path(folder), keep=1)
    ...     for step in (1, 2):
    ...         path = checkpoints.save(step, {"weights": np.full(2, step)})
    ...     arrays = checkpoints.load_newest(print)
    >>> path.name, arrays["weights"].tolist()
    ('step-000000002.npz', [2, 2])
    """

    def __init__(self, folder: Path, keep: int):
        self.folder = folder
        self.keep = keep

    def save(self, step: int, arrays: Mapping[str, np.ndarray]) -> Path:
        """Writes a state and removes the oldest ones beyond `keep`.

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
        for old in sorted(self._files())[: -self.keep]:
            old.unlink()
        return path

    def load_newest(self, log: Callable[[str], None]) -> dict[str, np.ndarray] | None:
        """Returns the newest undamaged state; `None` if there is none.

        Args:
            log: Called with a line for each damaged file.
        """
        for path in sorted(self._files(), reverse=True):
            with open(path, "rb") as file:
                try:
                    return _read_arrays(file)
                # Damaged bytes make `zipfile` and NumPy raise nearly anything.
                except Exception as error:
                    reason = str(error)[:100]  # it may quote the bytes
                    log(f"{path} is damaged ({reason}): trying the one before")
        return None

    def _files(self):
        return list(self.folder.glob("step-*.npz"))


def _read_arrays(file):
    # `np.load` parses the header of an array before the CRC is compared, which happens
    # at the end of the member only. `ZipFile.read` compares it first.
    with zipfile.ZipFile(file) as members:
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
    if len(arrays) != count:
        raise ValueError(f"{len(arrays)} of {count} arrays in the directory")
    return arrays
