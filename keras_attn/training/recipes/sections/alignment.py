"""The section `alignment` of a recipe: guided attention, and the aligner."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipes.options import Options, option

__all__ = ["AlignmentOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignmentOptions(Options):
    """Word alignments: those that attention is trained on, and an aligner."""

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
    aligner: str | None = option(
        None,
        help="Links that an aligner is trained on, after the translator: of the "
        "corpus, or learned; none: no aligner.",
        choices=("corpus", "learned"),
    )
    aligner_pairs: int = option(
        30_000,
        help="Maximum number of pairs that the aligner is trained on, sampled from "
        "all; their encoder states are in memory.",
        at_least=1,
    )
