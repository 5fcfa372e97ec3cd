"""A sentence and its translation."""

import dataclasses
import re

__all__ = ["SentencePair"]

_LINK = re.compile(r"(\d+)([-p])(\d+)")


@dataclasses.dataclass(frozen=True, slots=True)
class SentencePair:
    """A sentence and its translation.

    Attributes:
        source: The sentence to translate.
        target: Its translation.
        alignment: Gold word alignment where one is known: links `i-j` (sure) or
            `ipj` (possible), zero-based, source-target, separated by spaces.

    Example:
    >>> SentencePair("Guten Tag", "Hello", "0-0 1p0").swapped()
    SentencePair(source='Hello', target='Guten Tag', alignment='0-0 0p1')
    """

    source: str
    target: str
    alignment: str | None = None

    def swapped(self) -> "SentencePair":
        """Returns the pair for translating the other way, alignment included."""
        alignment = self.alignment
        if alignment is not None:
            alignment = _LINK.sub(r"\3\2\1", alignment)
        return SentencePair(self.target, self.source, alignment)
