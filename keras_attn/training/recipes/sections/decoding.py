"""The section of a recipe that says how the saved translator searches."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipes.typed import Options, option

__all__ = ["DecodingOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodingOptions(Options):
    """How the saved translator searches for a translation."""

    section: ClassVar[str] = "decoding"

    beam_size: int = option(
        5, help="Hypotheses kept a sentence; 1: greedy.", at_least=1
    )
    length_penalty: float = option(
        1.0,
        help="Power of the length that divides a hypothesis' score; 0: none.",
        at_least=0,
    )
    coverage_penalty: float = option(
        0.0,
        help="Price of source words that a hypothesis left without attention; 0: none.",
        at_least=0,
    )
    replace_unknown: bool = option(
        False,
        help="For words that the vocabulary lacks, write the source word looked at.",
    )
    shortlist: int | None = option(
        None,
        help="Likely translations of each source subword to choose from; none: all.",
        at_least=1,
    )
    precision: str = option(
        "float32",
        help="Of the saved translator's weights and activations.",
        choices=("float32", "bfloat16"),
    )
