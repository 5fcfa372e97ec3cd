"""The section `decoding` of a recipe: search of the saved translator."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipes.options import Options, option

__all__ = ["DecodingOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodingOptions(Options):
    """Search of the saved translator."""

    section: ClassVar[str] = "decoding"

    beam_size: int = option(
        5, help="Beam size: hypotheses per sentence; 1: greedy.", at_least=1
    )
    length_penalty: float = option(
        1.0,
        help="Exponent of the length that divides a score; 0: no normalization.",
        at_least=0,
    )
    coverage_penalty: float = option(
        0.0,
        help="Weight of the penalty for source words without attention; 0: no penalty.",
        at_least=0,
    )
    replace_unknown: bool = option(
        False,
        help="Replace unknown target tokens by the source words they attend to.",
    )
    split_sentences: str = option(
        "always",
        help="Texts that are translated by their sentences: those longer than training "
        "has seen, or all with more than one.",
        choices=("never", "long", "always"),
    )
    shortlist: int | None = option(
        None,
        help="Candidate translations per source subword; none: the whole vocabulary.",
        at_least=1,
    )
    precision: str = option(
        "float32",
        help="Dtype of the saved translator's weights and activations.",
        choices=("float32", "bfloat16"),
    )
