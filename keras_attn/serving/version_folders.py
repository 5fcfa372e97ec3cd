"""The version folders of a model: which are versions, rollback, pruning."""

import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from keras_attn.serving.unfinished_exports import prune_exports

__all__ = ["check_base", "prune_versions", "roll_back", "version_folders"]

# TensorFlow Serving parses a folder's whole name with absl::SimpleAtoi: ASCII digits,
# with an optional sign and surrounding whitespace, within 64 bits. So ".tmp-2" and
# "2.tmp" are safe names for a version that is still being written, and "007" is 7.
_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*", re.ASCII)
# Prefixes that make a name no number, so that no server loads the folder.
_ROLLED_BACK, _PRUNED = ".rolled-back-", ".pruned-"


def check_base(base: Path, presets: Collection[str] = ()) -> None:
    """Raises if a model's base path is not a folder.

    Args:
        base: The model's base path.
        presets: Names that would do in its place.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if not base.is_dir():
        raise FileNotFoundError(
            "MODELS_DIR must be a folder that holds one numbered folder for each "
            f"version. Received: {base}. `keras-attn export` makes one."
            + (f" Or name a preset: {', '.join(presets)}." if presets else "")
        )


def version_folders(base: Path) -> dict[int, Path]:
    """Returns the version folders of a model by number.

    Args:
        base: The model's base path.

    Raises:
        OSError: If `base` cannot be read.
    """
    folders = {}
    for path in sorted(base.iterdir()):
        if _NUMBER.fullmatch(path.name) and path.is_dir():
            number = int(path.name)
            if -(2**63) <= number < 2**63:
                folders[number] = path
    return folders


def roll_back(base: Path, to: int | None = None) -> tuple[int, list[Path]]:
    """Withdraws the newest version, so that a server returns to an older one.

    Folders are renamed rather than deleted, the newest last: a server switches from it
    directly to the target version. Their numbers are not used again.

    Args:
        base: The model's base path.
        to: The version to return to; `None`: the second newest.

    Returns:
        The version that is the newest now, and the renamed folders.

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
                f"Received: {base}, which holds {_describe(numbers)}."
            )
        to = numbers[-2]
    if to not in folders:
        raise ValueError(
            "A rollback returns to an existing version. "
            f"Received: to={to} in {base}, which holds {_describe(numbers)}."
        )
    renamed = [
        _rename(folders[number], f"{_ROLLED_BACK}{number}")
        for number in numbers
        if number > to
    ]
    if not renamed:
        raise ValueError(
            "A rollback returns to an older version. "
            f"Received: to={to}, which is the newest in {base}."
        )
    return to, renamed


def prune_versions(
    base: Path, keep: int, served: Collection[int] = (), *, dry_run: bool = False
) -> list[Path]:
    """Deletes all but the newest versions.

    Each folder is renamed before it is deleted, so that no server loads a part of it.
    Rolled-back versions older than all kept ones are deleted, too, and what killed
    exports have left.

    Args:
        base: The model's base path.
        keep: Number of versions to keep, at least 1.
        served: Further versions to keep, which a server has loaded.
        dry_run: Whether to delete nothing.

    Returns:
        The deleted folders, oldest first; at the end those of killed exports.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If `keep` is less than 1.
    """
    if keep < 1:
        raise ValueError(
            "At least the newest version must be kept: a server without any would fail "
            f"every request. Received: keep={keep}."
        )
    check_base(base)
    folders = version_folders(base)
    kept = {*sorted(folders)[-keep:], *served} & folders.keys()
    old = {number: path for number, path in folders.items() if number not in kept}
    if kept:
        rolled_back = _rolled_back_folders(base)
        old = {**{n: path for n, path in rolled_back.items() if n < min(kept)}, **old}
    deleted = [old[number] for number in sorted(old)]
    if not dry_run:
        for path in deleted:
            _rename(path, f"{_PRUNED}{path.name.removeprefix(_ROLLED_BACK)}")
        # Includes what an interrupted call has left.
        for path in base.glob(f"{_PRUNED}*"):
            shutil.rmtree(path)
    return [*deleted, *prune_exports(base, dry_run=dry_run)]


def _rolled_back_folders(base):
    folders = {}
    for path in base.iterdir():
        match = re.fullmatch(rf"{re.escape(_ROLLED_BACK)}([0-9]+)", path.name, re.ASCII)
        if match and path.is_dir():
            folders[int(match[1])] = path
    return folders


def _rename(path, name):
    target = path.with_name(name)
    os.rename(path, target)
    return target


def _describe(numbers):
    return f"the versions {numbers}" if numbers else "no version"
