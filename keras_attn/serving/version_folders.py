"""Which folders below a model's base path are versions of it."""

import re
from pathlib import Path

__all__ = ["check_base", "version_folders"]

# TensorFlow Serving reads a folder's whole name with absl::SimpleAtoi: ASCII digits,
# perhaps a sign and surrounding blanks, within 64 bits. So ".tmp-2" and "2.tmp" are
# safe names for a version that is still being written, and "007" is version 7.
_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*", re.ASCII)


def check_base(base: Path) -> None:
    """Refuses a base path that is no folder.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if not base.is_dir():
        raise FileNotFoundError(
            "MODELS_DIR must be a folder that holds one numbered folder for each "
            f"version. Received: {base}. `keras-attn export` makes one."
        )


def version_folders(base: Path) -> dict[int, Path]:
    """Returns the version folders below `base` by their number.

    Args:
        base: The folder that holds one folder for each version.

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
