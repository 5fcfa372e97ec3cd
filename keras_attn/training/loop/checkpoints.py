"""Files from which an interrupted training goes on."""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from keras_attn.training.runs.run_folder import atomic_write

__all__ = ["Checkpoints"]


class Checkpoints:
    """The newest few states of a training, one file each.

    A file is written aside, forced to the disk and renamed, before an older one is
    removed: whenever the process dies, the last whole one is there. It is an `.npz`,
    whose format keeps a CRC-32 of each array, and reading compares it.

    Args:
        folder: Where they lie.
        kept: How many.

    Example:
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoints = Checkpoints(Path(folder), kept=1)
    ...     for step in (1, 2):
    ...         path = checkpoints.save(step, {"weights": np.full(2, step)})
    ...     found = checkpoints.newest(print)
    >>> path.name, found["weights"].tolist()
    ('step-000000002.npz', [2, 2])
    """

    def __init__(self, folder: Path, kept: int):
        self.folder = folder
        self.kept = kept

    def save(self, step: int, arrays: Mapping[str, np.ndarray]) -> Path:
        """Writes a state and removes the oldest one beyond `kept`.

        Raises:
            OSError: If it cannot be written. The states before it stay.
        """
        path = self.folder / f"step-{step:09d}.npz"
        try:
            with atomic_write(path) as aside:
                np.savez(aside, **arrays)  # type: ignore[arg-type]
        except OSError as error:
            last = max(self._files(), default=None)
            raise OSError(
                f"A checkpoint must fit on the disk. Received: {error}, when writing "
                f"{path}. Make room and run the same command again: it goes on from "
                f"{'the start' if last is None else last.name}."
            ) from error
        for old in sorted(self._files())[: -self.kept]:
            old.unlink()
        return path

    def newest(self, log: Callable[[str], None]) -> dict[str, np.ndarray] | None:
        """Reads the newest state that is whole; `None` if there is none.

        Args:
            log: Hears of each file that is damaged.
        """
        for path in sorted(self._files(), reverse=True):
            with open(path, "rb") as file:
                try:
                    with np.load(file, allow_pickle=False) as arrays:
                        return {name: arrays[name] for name in arrays.files}
                except (
                    EOFError,
                    NotImplementedError,  # a damaged header asks for anything
                    OSError,
                    RuntimeError,
                    ValueError,
                    zipfile.BadZipFile,
                    zlib.error,
                ) as error:
                    log(f"{path} is damaged ({error}): going back to the one before")
        return None

    def _files(self):
        return list(self.folder.glob("step-*.npz"))
