"""Files that commands write: checked before the work, replaced when complete."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from keras_attn.training.runs.run_folder import atomic_write

if TYPE_CHECKING:
    from keras_attn import Translator

__all__ = [
    "check_new_translator",
    "check_output",
    "save_new_translator",
    "write_lines",
]


def check_output(path: Path | None) -> None:
    """Refuses a path that cannot be written when the work is done.

    Args:
        path: Value of an option; `None`: no file is wanted.

    Raises:
        FileNotFoundError: If its folder does not exist.
        IsADirectoryError: If it is a folder.
    """
    if path is None:
        return
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            "The folder of an output file must exist. "
            f"Received: {path}. Make {path.parent} first."
        )
    if path.is_dir():
        raise IsADirectoryError(
            f"The output is written to a file. Received: {path}, a folder."
        )


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes lines to a UTF-8 file, replaced at once when complete."""
    with atomic_write(path) as temporary:
        text = "".join(line + "\n" for line in lines)
        temporary.write_text(text, encoding="utf-8", newline="\n")


def check_new_translator(out: Path) -> None:
    """Refuses a path that is no new `.keras` file.

    Args:
        out: Value of `--out`.

    Raises:
        ValueError: If it does not end in `.keras`.
        FileExistsError: If it exists.
    """
    if out.suffix != ".keras":
        raise ValueError(
            "A saved translator is a .keras file. "
            f"Received: --out {out}. Change its ending."
        )
    if out.exists():
        raise FileExistsError(
            f"The translator is written to a new file. Received: --out {out}, which "
            "exists. Choose another name, or delete it."
        )


def save_new_translator(translator: "Translator", out: Path) -> None:
    """Saves a translator, which appears when it is complete; creates its folder."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as temporary:
        translator.save(temporary)
