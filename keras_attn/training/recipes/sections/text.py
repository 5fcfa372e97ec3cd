"""The section of a recipe that says how text becomes subwords."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipes.typed import Options, option

__all__ = ["TextOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextOptions(Options):
    """How text becomes subwords; learnt from the training split only."""

    section: ClassVar[str] = "text"

    vocabulary_size: int = option(
        8000, help="Subwords to learn, of each vocabulary.", at_least=16
    )
    shared: bool = option(True, help="One vocabulary for both languages.")
    model_type: str = option(
        "unigram", help="Kind of subword model.", choices=("unigram", "bpe")
    )
    character_coverage: float = option(
        1.0,
        help="Share of the text's characters that the vocabulary must hold.",
        above=0,
        at_most=1,
    )
    symbols: tuple[str, ...] = option(
        (), help="Texts that are always one subword, such as the tag <bt>."
    )
    sample_sentences: int | None = option(
        200_000,
        help="Most sentences that a subword model learns from, drawn from all of them; "
        "none: all.",
        at_least=1,
    )
    sampling: float | None = option(
        None,
        help="Training text in other subwords every epoch. unigram: power of their "
        "probabilities; bpe: share of merges left out; none: never.",
        above=0,
        at_most=1,
    )
    sampling_sides: str = option(
        "both", help="What is sampled.", choices=("both", "source", "target")
    )
