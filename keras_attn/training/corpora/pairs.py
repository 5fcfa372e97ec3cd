"""What a corpus is once it has been read: pairs, splits and what was left out."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

from keras_attn.training.corpora.sentence_pair import SentencePair
from keras_attn.training.corpora.stored import StoredPairs, store_pairs

__all__ = ["Corpus", "CorpusError", "SentencePair", "Split"]


class CorpusError(ValueError):
    """A corpus cannot be read as asked; the message names the file and line."""


@dataclasses.dataclass(frozen=True)
class Split(Sequence[SentencePair]):
    """The pairs of one split, with the count of those that could not be used.

    Attributes:
        pairs: Pairs with text on both sides.
        skipped_empty: Pairs left out because a side held nothing but white space.
        first_skipped: Where the first of these is, if that is known.

    Example:
    >>> split = Split.of([SentencePair("eins", "one"), SentencePair("zwei", " ")])
    >>> len(split), split[0].target, split.skipped_empty
    (1, 'one', 1)
    """

    pairs: Sequence[SentencePair]
    skipped_empty: int = 0
    first_skipped: str | None = None

    @classmethod
    def of(
        cls,
        pairs: Iterable[SentencePair],
        folder: str | Path | None = None,
        place: Callable[[int], str] | None = None,
    ) -> "Split":
        """Stores pairs as they come, counting those with an empty side instead.

        Args:
            pairs: Read once; they go to disk, not to memory.
            folder: As in `keras_attn.training.corpora.stored.store_pairs`.
            place: From the number of a pair, the first being 1, to where it was read.
        """
        skipped: list[int] = []  # the number of the first, and how many

        def kept():
            for number, pair in enumerate(pairs, start=1):
                if pair.source.strip() and pair.target.strip():
                    yield pair
                elif skipped:
                    skipped[1] += 1
                else:
                    skipped[:] = number, 1

        stored = store_pairs(kept(), folder)
        if not skipped:
            return cls(stored)
        number, count = skipped
        return cls(stored, count, place(number) if place else None)

    def first(self, count: int | None) -> "Split":
        """Returns the first `count` pairs, or all of them for `None`."""
        pairs = self.pairs
        if isinstance(pairs, StoredPairs):
            return dataclasses.replace(self, pairs=pairs.first(count))
        return dataclasses.replace(self, pairs=pairs[:count])

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
                line += f" ({split.skipped_empty:,} with an empty side skipped"
                if split.first_skipped:
                    line += f", the first at {split.first_skipped}"
                line += ")"
            lines.append(line)
        return lines
