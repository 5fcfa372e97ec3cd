"""Temporary folders of exports: which process writes one, and removing abandoned ones.

An export writes its version to `.exporting-NUMBER-MACHINE-PROCESS`, whose name no
server loads, and renames it at the end. While it writes, it holds the folder's lock.
One that was killed leaves the folder, without a holder.

Locks are seen by the processes of one kernel, those in containers among them. On a
disk that several machines share, a folder of another one is abandoned when nothing in
it has changed for a day; an export takes minutes.
"""

import contextlib
import hashlib
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from keras_attn.portable import is_locked, locked

__all__ = ["LAST_VERSION", "exporting", "prune_exports", "remove_abandoned_exports"]

# File with the highest number used so far. A server never loads a number again that has
# failed, and does not notice a change of one that it has loaded. Whoever makes or
# deletes temporary folders holds its lock.
LAST_VERSION = ".last_version"
# Without the machine's part: of version 0.1.0.
_NAME = re.compile(r"\.exporting-[0-9]+-(?:(?P<machine>[0-9a-f]{8})-)?[0-9]+", re.ASCII)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ABANDONED_AFTER = 86_400.0  # seconds since the last change, on another machine


@contextlib.contextmanager
def exporting(models_dir: Path, number: int) -> Iterator[Path]:
    """Makes a temporary folder for a version and holds its lock.

    Args:
        models_dir: Base path of the model.
        number: Number of the version, which no other export has.
    """
    folder = models_dir / f".exporting-{number}-{_machine()}-{os.getpid()}"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # no locks on this file system
            stack.enter_context(locked(folder, wait=False))
        yield folder


def prune_exports(models_dir: Path, *, dry_run: bool = False) -> list[Path]:
    """Deletes the temporary folders of a model that no process writes to.

    Args:
        models_dir: Base path of the model.
        dry_run: Whether to delete nothing.

    Returns:
        The deleted folders.
    """
    try:
        with locked(models_dir / LAST_VERSION):
            return remove_abandoned_exports(models_dir, dry_run=dry_run)
    except OSError:  # nothing was ever exported to it, or not by this user
        return []


def remove_abandoned_exports(models_dir: Path, *, dry_run: bool = False) -> list[Path]:
    """Does the work of `prune_exports` for who holds the lock of `LAST_VERSION`."""
    folders = [
        path
        for path in sorted(models_dir.glob(".exporting-*"))
        if (match := _NAME.fullmatch(path.name))
        and path.is_dir()
        and _is_abandoned(path, match["machine"])
    ]
    for folder in () if dry_run else folders:
        shutil.rmtree(folder, ignore_errors=True)  # may be of another user
    return folders


def _is_abandoned(folder, machine):
    holder = is_locked(folder)
    if holder is not None and machine == _machine():
        return not holder
    return not holder and time.time() - _last_change(folder) > _ABANDONED_AFTER


def _last_change(folder):
    times = [0.0]
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(OSError):  # it is being written or deleted
            times.append(path.stat().st_mtime)
    return max(times)


def _machine():
    """Returns eight digits that identify the running kernel, whose locks are seen."""
    try:
        name = _BOOT_ID.read_text("ascii")
    except OSError:
        name = platform.node()
    return hashlib.sha256(name.encode()).hexdigest()[:8]
