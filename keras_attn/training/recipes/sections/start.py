"""The section `start` of a recipe: the translator that is fine-tuned."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipes.options import Options, option

__all__ = ["StartOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartOptions(Options):
    """The finished translator that training starts from."""

    section: ClassVar[str] = "start"

    translator: str | None = option(
        None,
        help="File of a finished translator to fine-tune: its weights and vocabularies "
        "are used; none: new ones.",
    )
    sha256: str | None = option(
        None, help="SHA-256 of that file; none: written when the run begins."
    )
