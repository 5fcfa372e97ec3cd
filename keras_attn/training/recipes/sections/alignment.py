"""The section of a recipe that says where attention should look."""

import dataclasses
from typing import ClassVar

from keras_attn.training.recipes.typed import Options, option

__all__ = ["AlignmentOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignmentOptions(Options):
    """Whether attention is taught which words translate each other, and by what."""

    section: ClassVar[str] = "alignment"

    links: str | None = option(
        None,
        help="What guides attention: links of the corpus, or learned; none: nothing.",
        choices=("corpus", "learned"),
    )
    weight: float = option(
        0.3, help="Of the loss of attention against links, in training.", above=0
    )
