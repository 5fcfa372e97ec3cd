"""Where a saved translator lies."""

import os
from pathlib import Path

__all__ = ["SAVED_NAME", "find_translator"]

SAVED_NAME = "translator.keras"  # of a translator in a folder of its own


def find_translator(path: str | os.PathLike) -> Path:
    """Returns the saved translator that `path` names: the file, or its folder.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = Path(path)
    file = path / SAVED_NAME if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(
            f"A translator is a .keras file, or a folder with {SAVED_NAME} in it, "
            f"which a training run writes when it is finished. Received: {path}."
        )
    return file
