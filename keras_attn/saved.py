"""Where a saved translator lies, and whether a file is one."""

import json
import os
import zipfile
from pathlib import Path

from keras_attn.presets import find_preset, preset_names

__all__ = [
    "SAVED_NAME",
    "check_translator_file",
    "find_translator",
    "unreadable_translator",
]

SAVED_NAME = "translator.keras"  # of a translator in a folder of its own


def find_translator(path: str | os.PathLike) -> Path:
    """Returns the saved translator that `path` names: the file, its folder, a preset.

    A preset's name stands for the preset unless a file or a folder with a translator
    has that name.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If the file is not that of a translator (`check_translator_file`),
            or an installed preset is not the one that was installed.
    """
    path = Path(path)
    file = path / SAVED_NAME if path.is_dir() else path
    if not file.is_file():
        preset = find_preset(os.fspath(path))
        if preset is None:
            raise FileNotFoundError(
                f"A translator is a .keras file, a folder with {SAVED_NAME} in it, "
                "which a training run writes when it is finished, or a preset "
                f"({', '.join(preset_names())}). Received: {path}."
            )
        file = preset
    check_translator_file(file)
    return file


def check_translator_file(path: str | os.PathLike) -> None:
    """Checks name, index and configuration of a translator's file, not its weights.

    It needs neither Keras nor TensorFlow, so that commands refuse a file at once.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is incomplete, damaged, or of something else.
    """
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(
            f"A saved translator is a .keras file. Received: {file}, which does not "
            "exist."
        )
    if file.is_dir():
        raise unreadable_translator(file, "is a folder")
    if file.suffix != Path(SAVED_NAME).suffix:
        raise unreadable_translator(file, "does not end in .keras")
    if file.stat().st_size == 0:
        raise unreadable_translator(file, "is empty")
    try:
        with open(file, "rb") as opened, zipfile.ZipFile(opened) as archive:
            config = json.loads(archive.read("config.json"))
        name = config["registered_name"]
    except PermissionError:
        raise
    # Damaged bytes make `zipfile` raise nearly anything.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        reason = f"is damaged, incomplete or no .keras file ({reason})"
        raise unreadable_translator(file, reason) from error
    if name != "keras_attn>Translator":
        raise unreadable_translator(file, f"holds a {config.get('class_name')}")


def unreadable_translator(path: str | os.PathLike, reason: str) -> ValueError:
    """Returns the error for a file that is no translator's.

    Args:
        path: The file.
        reason: Its fault, as a predicate: "is empty".
    """
    return ValueError(
        "A saved translator is a .keras file that `keras-attn train` or "
        f"`Translator.save` wrote. Received: {os.fspath(path)}, which {reason}. Name "
        "another file, or copy or write this one again."
    )
