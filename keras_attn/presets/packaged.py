"""Presets: finished translators that are installed with the package.

Each is a folder beside this file that looks like a run folder: `translator.keras`, the
`recipe.toml` that trained it, and `preset.json` with the command that made it, its
scores and its checksum. `examples/make_preset.py` writes them.
"""

import hashlib
import json
import os
from pathlib import Path

__all__ = [
    "cache_folder",
    "check_digest",
    "digest",
    "find_preset",
    "is_packaged",
    "preset_names",
]

_FOLDER = Path(__file__).parent
_ALIASES = {"demo": "demo_de_en"}


def preset_names() -> list[str]:
    """Returns the names of all presets, short ones last.

    Example:

    >>> preset_names()
    ['demo_de_en', 'demo']
    """
    return [*sorted(path.parent.name for path in _records()), *_ALIASES]


def find_preset(name: str) -> Path | None:
    """Returns the translator's file of a preset, or `None` for any other name.

    Raises:
        ValueError: If its checksum is not the one that the preset states.
    """
    name = _ALIASES.get(name, name)
    for path in _records():
        if path.parent.name == name:
            record = json.loads(path.read_text("utf-8"))
            file = path.with_name(record["file"])
            check_digest(
                file,
                record["sha256"],
                f"that of the preset {name}",
                "Install keras-attn again: pip install --force-reinstall keras-attn",
            )
            return file
    return None


def is_packaged(file: Path) -> bool:
    """Whether a file belongs to the installed package, which commands leave alone."""
    return _FOLDER in file.resolve().parents


def check_digest(file: Path, expected: str, owner: str, remedy: str) -> None:
    """Raises `ValueError` unless a file has the expected SHA-256 checksum.

    Args:
        file: The file.
        expected: The checksum in hexadecimal digits.
        owner: What states that checksum, such as "`file_hash`".
        remedy: What to do about it.
    """
    actual = digest(file)
    if actual != expected.lower():
        raise ValueError(
            f"The SHA-256 checksum of a translator must be {owner}, {expected}. "
            f"Received: {file}, whose checksum is {actual}. {remedy}."
        )


def digest(file: Path) -> str:
    """Returns the SHA-256 checksum of a file in hexadecimal digits."""
    checksum = hashlib.sha256()
    with open(file, "rb") as opened:
        while data := opened.read(1 << 20):
            checksum.update(data)
    return checksum.hexdigest()


def cache_folder() -> Path:
    """Returns the package's folder within Keras's home, which may not exist yet.

    Keras's home is `~/.keras`, or what the environment variable `KERAS_HOME` names.
    """
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    return Path(home).expanduser() / "keras_attn"


def _records():
    return _FOLDER.glob("*/preset.json")
