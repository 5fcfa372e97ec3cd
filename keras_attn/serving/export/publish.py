"""Puts a version folder into its place in one step, under a number of its own."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from keras_attn.serving.version_folders import version_folders

__all__ = ["publishing"]

# The highest number ever given out. A server never tries a number again that has
# failed, and takes one that it has seen for what it has loaded.
_LAST = ".last_version"


@contextlib.contextmanager
def publishing(models_dir: Path, version: int | None) -> Iterator[tuple[int, Path]]:
    """Gives a number and a folder to write to, which becomes the version at the end.

    What is written in the block stands beside its place, under a name that no server
    looks at, and is renamed when the block succeeds and all of it is on disk. When the
    block fails it is deleted, and its number is not given out again.

    Args:
        models_dir: Base path of one model; made where it is missing.
        version: A number above all that were ever given out; `None`: the next one.

    Raises:
        ValueError: If the version is taken, was, or is not positive.
    """
    models_dir.mkdir(parents=True, exist_ok=True)
    number = _reserve(models_dir, version)
    # On the same file system, so that the rename is one step.
    aside = models_dir / f".exporting-{number}-{os.getpid()}"
    try:
        aside.mkdir()
        yield number, aside
        _flush(aside)
        os.rename(aside, models_dir / str(number))
        _flush(models_dir, recursive=False)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _reserve(models_dir, version):
    """Returns a number that nobody had and nobody else will get."""
    with open(models_dir / _LAST, "a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        taken = version_folders(models_dir)
        highest = max([0, *taken, int(file.read() or 0)])
        number = highest + 1 if version is None else version
        _check(number, taken, highest, models_dir)
        file.truncate(0)
        file.write(f"{number}\n")
        file.flush()
        os.fsync(file.fileno())
    return number


def _check(version, taken, highest, models_dir):
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(
            f"A version is a positive number. Received: version={version!r}."
        )
    if version in taken:
        raise ValueError(
            "A version is never overwritten: a server that has loaded it would not see "
            f"the change. Received: version={version}, which exists in {models_dir}. "
            f"The next free one is {highest + 1}."
        )
    if version <= highest:
        raise ValueError(
            "A version's number is above all that were given out before: a server "
            "never tries one again that has failed or that was taken back. Received: "
            f"version={version} in {models_dir}. The next free one is {highest + 1}."
        )


def _flush(folder, recursive=True):
    """Waits until the folder's files and names are on disk."""
    paths = [folder, *(folder.rglob("*") if recursive else ())]
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
