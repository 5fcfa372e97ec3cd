"""Where a command writes a translator that it made of others."""

from pathlib import Path
from typing import TYPE_CHECKING

from keras_attn.training.runs.run_folder import atomic_write

if TYPE_CHECKING:
    from keras_attn import Translator

__all__ = ["check_new_translator", "save_new_translator"]


def check_new_translator(out: Path) -> None:
    """Refuses what is no name of a new translator.

    Args:
        out: What `--out` was given.

    Raises:
        ValueError: If it does not end in `.keras`.
        FileExistsError: If it is there already.
    """
    if out.suffix != ".keras":
        raise ValueError(
            f"A saved translator is a .keras file. Received: --out {out}. Name it so."
        )
    if out.exists():
        raise FileExistsError(
            f"The translator is written to a new file. Received: --out {out}, which "
            "exists. Choose another name, or delete it."
        )


def save_new_translator(translator: "Translator", out: Path) -> None:
    """Saves a translator aside and renames it when it is whole; makes its folder."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as aside:
        translator.save(aside)
