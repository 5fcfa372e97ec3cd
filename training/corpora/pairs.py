"""What a corpus is once it has been read: pairs, splits and what was left out."""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

__all__ = ["Corpus", "CorpusError", "SentencePair", "Split"]

_LINK = re.compile(r"(\d+)([-p])(\d+)")


class CorpusError(ValueError):
    """A corpus cannot be read as asked; the message names the file and line."""


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


@dataclasses.dataclass(frozen=True)
class Split(Sequence[SentencePair]):
    """The pairs of one split, with the count of those that could not be used.

    Attributes:
        pairs: Pairs with text on both sides.
        skipped_empty: Pairs left out because a side held nothing but white space.

    Example:
    >>> split = Split.of([SentencePair("eins", "one"), SentencePair("zwei", " ")])
    >>> len(split), split[0].target, split.skipped_empty
    (1, 'one', 1)
    """

    pairs: tuple[SentencePair, ...]
    skipped_empty: int = 0

    @classmethod
    def of(cls, pairs: Iterable[SentencePair]) -> "Split":
        """Collects pairs, counting instead of keeping those with an empty side."""
        kept, skipped = [], 0
        for pair in pairs:
            if pair.source.strip() and pair.target.strip():
                kept.append(pair)
            else:
                skipped += 1
        return cls(tuple(kept), skipped)

    def first(self, count: int | None) -> "Split":
        """Returns the first `count` pairs, or all of them for `None`."""
        return dataclasses.replace(self, pairs=self.pairs[:count])

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[SentencePair]:
        return iter(self.pairs)

    @overload
    def __getitem__(self, index: int) -> SentencePair: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[SentencePair, ...]: ...

    def __getitem__(self, index):
        return self.pairs[index]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus:
    """A corpus ready for training: every kind of corpus is read into this.

    Attributes:
        source_language: Name of the language translated from.
        target_language: Name of the language translated into.
        train: Pairs to learn from, the subword vocabulary included.
        validation: Pairs that choose the checkpoint.
        tests: Further splits by name; may be empty.
    """

    source_language: str
    target_language: str
    train: Split
    validation: Split
    tests: dict[str, Split] = dataclasses.field(default_factory=dict)

    def describe(self) -> list[str]:
        """Returns one line a split: its size, and what was left out of it."""
        lines = []
        for name, split in itertools.chain(
            [("train", self.train), ("validation", self.validation)],
            self.tests.items(),
        ):
            line = f"{name}: {len(split):,} pairs"
            if split.skipped_empty:
                line += f" ({split.skipped_empty:,} with an empty side skipped)"
            lines.append(line)
        return lines
