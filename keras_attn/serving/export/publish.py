"""Publishes a version folder in one step, under an unused number."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from keras_attn.portable import locked
from keras_attn.serving.unfinished_exports import (
    LAST_VERSION,
    exporting,
    remove_abandoned_exports,
)
from keras_attn.serving.version_folders import version_folders

__all__ = ["publishing"]


@contextlib.contextmanager
def publishing(models_dir: Path, version: int | None) -> Iterator[tuple[int, Path]]:
    """Yields a number and a temporary folder, which becomes the version at the end.

    The temporary folder has a name that servers ignore. It is renamed when the block
    succeeds and all files are on disk. If the block fails, the folder is deleted, and
    its number is not used again. Folders of killed exports are deleted, too.

    Args:
        models_dir: Base path of one model; created if missing.
        version: A number above all that were used before; `None`: the next one.

    Raises:
        ValueError: If the version was used before or is not positive.
    """
    models_dir.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        number, temporary = _reserve(models_dir, version, stack)
        try:
            yield number, temporary
            _flush(temporary)
            os.rename(temporary, models_dir / str(number))
            _flush(models_dir, recursive=False)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _reserve(models_dir, version, stack):
    """Returns an unused number, marked as used, and its temporary folder."""
    path = models_dir / LAST_VERSION
    with open(path, "a+", encoding="ascii") as file, locked(path):
        file.seek(0)
        existing = version_folders(models_dir)
        highest = max([0, *existing, int(file.read() or 0)])
        number = highest + 1 if version is None else version
        _check(number, existing, highest, models_dir)
        file.truncate(0)
        file.write(f"{number}\n")
        file.flush()
        os.fsync(file.fileno())
        # Within the lock, so that nobody deletes a folder before its holder locks it.
        remove_abandoned_exports(models_dir)
        # On the same file system, so that the rename is one step.
        return number, stack.enter_context(exporting(models_dir, number))


def _check(version, existing, highest, models_dir):
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(
            f"A version is a positive number. Received: version={version!r}."
        )
    if version in existing:
        raise ValueError(
            "A version is never overwritten: a server that has loaded it would not see "
            f"the change. Received: version={version}, which exists in {models_dir}. "
            f"The next free one is {highest + 1}."
        )
    if version <= highest:
        raise ValueError(
            "A version's number must be above all that were used before: a server "
            "never loads one again that has failed or was rolled back. Received: "
            f"version={version} in {models_dir}. The next free one is {highest + 1}."
        )


def _flush(folder, recursive=True):
    """Waits until the folder's files and their names are on disk."""
    paths = [folder, *(folder.rglob("*") if recursive else ())]
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
