"""A corpus and its splits; parts held out of a split, and samples of one."""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from keras_attn.command_line import track_progress
from keras_attn.training.corpora.pairs import (
    PairWriter,
    SentencePair,
    StoredPairs,
    store_pairs,
)

__all__ = ["Corpus", "Split", "hold_out", "sample_pairs"]


@dataclasses.dataclass(frozen=True)
class Split(Sequence[SentencePair]):
    """The pairs of one split, and the number of pairs that were left out.

    Attributes:
        pairs: Pairs with text on both sides.
        skipped_empty: Number of pairs left out because a side was empty or white space.
        first_skipped: Location of the first of these, if known.

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
        location: Callable[[int], str] | None = None,
    ) -> "Split":
        """Stores the pairs with text on both sides, and counts the others.

        Args:
            pairs: The pairs, read once and written to disk.
            folder: As in `keras_attn.training.corpora.pairs.store_pairs`.
            location: From the number of a pair, counted from 1, to where it was read.
        """
        skipped: list[int] = []  # number of the first one, and their count

        def nonempty():
            for number, pair in enumerate(pairs, start=1):
                if pair.source.strip() and pair.target.strip():
                    yield pair
                elif skipped:
                    skipped[1] += 1
                else:
                    skipped[:] = number, 1

        stored = store_pairs(nonempty(), folder)
        if not skipped:
            return cls(stored)
        number, count = skipped
        return cls(stored, count, location(number) if location else None)

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
    """A corpus ready for training, whatever it was read from.

    Attributes:
        source_language: Name of the language to translate from.
        target_language: Name of the language to translate into.
        train: Pairs to train the subword vocabularies and the model on.
        validation: Pairs by which the best epoch is selected.
        tests: Test splits by name; may be empty.
    """

    source_language: str
    target_language: str
    train: Split
    validation: Split
    tests: dict[str, Split] = dataclasses.field(default_factory=dict)

    def describe(self) -> list[str]:
        """Returns a line for each split: its size, and how many pairs were left out."""
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


def hold_out(
    split: Split,
    *,
    validation_share: float,
    test_share: float,
    folder: str | Path | None = None,
) -> tuple[Split, Split, Split]:
    """Divides pairs into train, validation and test by their source sentences.

    The part of a pair depends on a hash of its source sentence alone (letter case and
    spacing apart). So all translations of one sentence, of which Tatoeba has many, are
    in one part, and no test sentence was trained on; and a pair stays in its part when
    the file is reordered or grows.

    Args:
        split: The pairs to divide.
        validation_share: Expected share of source sentences held out for validation.
        test_share: Expected share of source sentences held out for testing.
        folder: Folder on whose disk the parts are stored, as in `Split.of`.

    Returns:
        Train, validation and test, each in the order of `split`. Pairs skipped while
        reading are counted with train.

    Example:
    >>> pairs = [SentencePair(f"Satz {n % 50}", f"sentence {n}") for n in range(200)]
    >>> parts = hold_out(Split.of(pairs), validation_share=0.2, test_share=0.2)
    >>> sum(len(part) for part in parts)
    200
    >>> train, validation, test = ({pair.source for pair in part} for part in parts)
    >>> train & validation, train & test, validation & test
    (set(), set(), set())
    """
    if not validation_share and not test_share:
        return split, Split(()), Split(())

    train, validation, test = (PairWriter(folder) for _ in range(3))
    for pair in split:
        position = _hash_position(pair)
        if position < test_share:
            test.append(pair)
        elif position < test_share + validation_share:
            validation.append(pair)
        else:
            train.append(pair)
    return (
        dataclasses.replace(split, pairs=train.stored()),
        Split(validation.stored()),
        Split(test.stored()),
    )


def _hash_position(pair: SentencePair) -> float:
    """Returns a number in [0, 1) that depends on the source sentence alone."""
    sentence = " ".join(pair.source.split()).casefold()
    digest = hashlib.blake2b(sentence.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def sample_pairs(
    pairs: Sequence[SentencePair], sentences: int | None, sides: int = 1, seed: int = 0
) -> Sequence[SentencePair]:
    """Returns a random sample of pairs to learn subwords from.

    The corpus is cut into stretches of one length, as many as pairs are drawn, and one
    pair is drawn from each: the sample covers the whole corpus, and only the sample is
    in memory.

    Args:
        pairs: All pairs, read once.
        sentences: Maximum number of sentences in the sample; `None`: no limit.
        sides: Number of sentences that a pair counts for.
        seed: Random seed. It is the same for all runs, so that runs on one corpus have
            the same vocabulary.

    Returns:
        The sampled pairs in their order; all pairs if there are not too many.

    Example:
    >>> pairs = [SentencePair(str(n), "x") for n in range(1000)]
    >>> [int(pair.source) // 250 for pair in sample_pairs(pairs, 4)]
    [0, 1, 2, 3]
    """
    if sentences is None or sides * len(pairs) <= sentences:
        return pairs
    count = max(1, sentences // sides)
    positions = np.arange(count) + np.random.default_rng(seed).random(count)
    # A sum may be rounded up to the next whole number, so beyond the last pair.
    rows = np.minimum(positions * len(pairs) / count, len(pairs) - 1).astype("int64")
    # Stretches need not begin at whole pairs, so two may draw the same one.
    sampled = np.zeros(len(pairs), bool)
    sampled[rows] = True
    return list(
        itertools.compress(track_progress(pairs, "sampling sentences"), sampled)
    )
