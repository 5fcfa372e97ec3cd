"""The section `alignment` of a recipe: guided attention."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipes.options import Options, option

__all__ = ["AlignmentOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignmentOptions(Options):
    """Guided attention: word alignments that attention is trained on."""

    section: ClassVar[str] = "alignment"

    links: str | None = option(
        None,
        help="Links that guide attention: of the corpus, or learned; none: none.",
        choices=("corpus", "learned"),
    )
    weight: float = option(
        0.3,
        help="Weight of the loss of attention against the links, in training.",
        above=0,
    )
