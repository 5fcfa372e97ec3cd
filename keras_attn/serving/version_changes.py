"""Taking versions back and deleting old ones, under the eyes of a server."""

import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from keras_attn.serving.version_folders import check_base, version_folders

__all__ = ["prune_versions", "roll_back"]

# No numbers, so that no server looks at them.
_BACK, _PRUNED = ".rolled-back-", ".pruned-"


def roll_back(base: Path, to: int | None = None) -> tuple[int, list[Path]]:
    """Takes the newest version back, so that a server returns to the one before.

    Folders are renamed, not deleted, the newest last: a server goes from it straight to
    the version returned to. The numbers are not given out again.

    Args:
        base: Base path of one model.
        to: The version to return to; `None`: the one before the newest.

    Returns:
        The version that is the newest now, and the folders that were set aside.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there is no version to return to.
    """
    check_base(base)
    folders = version_folders(base)
    numbers = sorted(folders)
    if to is None:
        if len(numbers) < 2:
            raise ValueError(
                "A rollback needs a version to return to. "
                f"Received: {base}, which holds {_listed(numbers)}."
            )
        to = numbers[-2]
    if to not in folders:
        raise ValueError(
            "A rollback returns to a version that is there. "
            f"Received: to={to} in {base}, which holds {_listed(numbers)}."
        )
    aside = [
        _renamed(folders[number], f"{_BACK}{number}")
        for number in numbers
        if number > to
    ]
    if not aside:
        raise ValueError(
            "A rollback returns to an older version. "
            f"Received: to={to}, which is the newest in {base}."
        )
    return to, aside


def prune_versions(
    base: Path, keep: int, served: Collection[int] = (), *, dry_run: bool = False
) -> list[Path]:
    """Deletes all but the newest versions.

    Each is renamed before it is deleted: a server never sees half of one. What was
    taken back by a rollback goes, too, when it is older than all that is kept.

    Args:
        base: Base path of one model.
        keep: The newest versions to keep, at least 1.
        served: Versions that are kept beside those, since a server has them.
        dry_run: Whether to delete nothing.

    Returns:
        The folders deleted, oldest first.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If `keep` is less than 1.
    """
    if keep < 1:
        raise ValueError(
            "The newest version is kept in any case: a server without any would "
            f"answer nothing. Received: keep={keep}."
        )
    check_base(base)
    folders = version_folders(base)
    kept = {*sorted(folders)[-keep:], *served} & folders.keys()
    old = {number: path for number, path in folders.items() if number not in kept}
    if kept:
        back = {n: path for n, path in _set_aside(base).items() if n < min(kept)}
        old = {**back, **old}
    doomed = [old[number] for number in sorted(old)]
    if not dry_run:
        for path in doomed:
            _renamed(path, f"{_PRUNED}{path.name.removeprefix(_BACK)}")
        # Those, too, that a process which was killed has left.
        for path in base.glob(f"{_PRUNED}*"):
            shutil.rmtree(path)
    return doomed


def _set_aside(base):
    """Returns what rollbacks have set aside, by number."""
    found = {}
    for path in base.iterdir():
        match = re.fullmatch(rf"{re.escape(_BACK)}([0-9]+)", path.name, re.ASCII)
        if match and path.is_dir():
            found[int(match[1])] = path
    return found


def _renamed(path, name):
    place = path.with_name(name)
    os.rename(path, place)
    return place


def _listed(numbers):
    return f"the versions {numbers}" if numbers else "no version"
