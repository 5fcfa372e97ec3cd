"""Files that commands write: checked before the work, replaced when complete."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from keras_attn.command_line import atomic_write, check_output

if TYPE_CHECKING:
    from keras_attn import Translator

__all__ = [
    "check_new_translator",
    "save_new_translator",
    "write_lines",
]


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
        OSError: If it cannot be written.
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
    check_output(out, parents=True)


def save_new_translator(translator: "Translator", out: Path) -> None:
    """Saves a translator, which appears when it is complete; creates its folder."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as temporary:
        translator.save(temporary)
