"""The section `text` of a recipe: subword vocabularies."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipes.options import Options, option

__all__ = ["TextOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextOptions(Options):
    """Subword vocabularies, learned from the training split only."""

    section: ClassVar[str] = "text"

    vocabulary_size: int = option(
        8000, help="Number of subwords in each vocabulary.", at_least=16
    )
    shared: bool = option(True, help="One vocabulary for both languages.")
    model_type: str = option(
        "unigram", help="Type of the subword model.", choices=("unigram", "bpe")
    )
    character_coverage: float = option(
        1.0,
        help="Share of the text's characters that the vocabulary covers.",
        above=0,
        at_most=1,
    )
    symbols: tuple[str, ...] = option(
        (), help="Texts that are one subword each, such as the tag <bt>."
    )
    sample_sentences: int | None = option(
        200_000,
        help="Maximum number of sentences, sampled from all, to learn a subword model "
        "from; none: all.",
        at_least=1,
    )
    sampling: float | None = option(
        None,
        help="Subword sampling in training. unigram: exponent of the probabilities; "
        "bpe: dropout rate of merges; none: no sampling.",
        above=0,
        at_most=1,
    )
    sampling_sides: str = option(
        "both",
        help="Sides with subword sampling.",
        choices=("both", "source", "target"),
    )
