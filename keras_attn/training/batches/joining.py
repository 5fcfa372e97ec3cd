"""Neighbouring pairs joined into longer ones, others in every epoch.

A model that has read single sentences only translates longer texts badly. Pairs that
follow each other in the corpus are joined on both sides, so that it reads texts of many
lengths: one to several sentences, each of them once in an epoch.

Reference: Kondo et al., 2021, "Sentence Concatenation Approach to Data Augmentation for
Neural Machine Translation", arXiv:2104.08478, which joins two.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np

from keras_attn.training.batches.bucketing import joint_lengths
from keras_attn.training.batches.tokens import CHUNK, TokenPairs, Tokens

__all__ = ["JoinedEpochs", "JoinedPairs", "join_neighbours"]

_EPOCHS_FOR_SHAPES = 3
# Part of the seed: 0 and 1 are the sides of subword sampling.
_STREAM = 2


@dataclasses.dataclass(frozen=True, eq=False)
class JoinedPairs:
    """Token ids of joined pairs, read from those of the single ones.

    Attributes:
        pairs: The single pairs.
        begins: `(L,)` int32, index of the first pair of each joined one.
        counts: `(L,)` unsigned, number of pairs in each joined one.
        source_lengths: `(L,)` unsigned.
        target_lengths: `(L,)` unsigned.
    """

    pairs: TokenPairs
    begins: np.ndarray
    counts: np.ndarray
    source_lengths: np.ndarray
    target_lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.begins)

    def read(self, indices: np.ndarray) -> tuple[Tokens, Tokens]:
        """Reads the sources and the targets of some joined pairs.

        Args:
            indices: `(B,)` indices of the joined pairs, at least one.
        """
        begins, counts = self.begins[indices], self.counts[indices].astype("int64")
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        source, target = self.pairs.read(np.repeat(begins, counts) + within)
        return source.join(counts), target.join(counts)

    def length_chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the lengths of sources and targets, `CHUNK` joined pairs at a time."""
        for first in range(0, len(self), CHUNK):
            chunk = slice(first, first + CHUNK)
            yield self.source_lengths[chunk], self.target_lengths[chunk]


def join_neighbours(
    pairs: TokenPairs,
    max_count: int,
    limits: tuple[int, int],
    random: np.random.Generator,
) -> JoinedPairs:
    """Joins every pair with up to `max_count - 1` of those that follow it.

    The number of pairs in a joined one is uniform in `[1, max_count]`. What is then
    longer than a limit is cut into halves, by the number of pairs, until nothing is.

    Args:
        pairs: The single pairs, none longer than the limits.
        max_count: Maximum number of pairs in a joined one.
        limits: Maximum numbers of source and target tokens, without end tokens.
        random: Decides which pairs are joined.

    Returns:
        Joined pairs that hold every single one once, in order.
    """
    counts = random.integers(1, max_count + 1, len(pairs), dtype="int32")
    begins = np.cumsum(counts, dtype="int32") - counts
    begins = begins[begins < len(pairs)]
    while True:
        counts = np.diff(begins, append=np.int32(len(pairs)))
        lengths = [
            np.add.reduceat(side, begins, dtype="int32")
            for side in (pairs.source_lengths, pairs.target_lengths)
        ]
        is_long = (lengths[0] > limits[0]) | (lengths[1] > limits[1])
        halves = begins[is_long] + (counts[is_long] + 1) // 2
        if not len(halves):
            break
        begins = np.sort(np.concatenate([begins, halves]))
    smallest = np.min_scalar_type(max(limits))
    source_lengths, target_lengths = (side.astype(smallest) for side in lengths)
    counts = counts.astype(np.min_scalar_type(max_count))
    return JoinedPairs(pairs, begins, counts, source_lengths, target_lengths)


class JoinedEpochs:
    """The joined pairs of every epoch, and the lengths that its shapes are chosen for.

    Nothing is longer than the longest single pair of any epoch, or the longest joined
    one of the first epochs, so that shapes chosen for these hold all later ones.

    Args:
        tokens: Function from the number of an epoch to the tokens of its single pairs;
            from `None` to those of inference.
        longest: Lengths of the longest single source and target of any epoch.
        max_count: Maximum number of pairs in a joined one.
        max_length: Maximum number of tokens of a side, end token included.
        seed: Random seed; what is joined depends on it and the number of the epoch.

    Raises:
        ValueError: If no two neighbours are short enough to be joined.

    Attributes:
        lengths: Source lengths, target lengths and how often they occur together,
            `(N,)` each.
    """

    def __init__(
        self,
        tokens: Callable[[int | None], TokenPairs],
        longest: tuple[int, int],
        max_count: int,
        max_length: int,
        seed: int,
    ):
        self._tokens, self._max_count, self._seed = tokens, max_count, seed
        self._limits = max_length - 1, max_length - 1
        self._last: tuple[int, JoinedPairs] | None = None
        plain = tokens(None)
        fits = [
            side[:-1].astype("int64") + side[1:] < max_length
            for side in (plain.source_lengths, plain.target_lengths)
        ]
        if not (fits[0] & fits[1]).any():
            raise ValueError(
                "Joined sentences must be within the length limit. Received: "
                f"join_sentences={max_count}, max_length={max_length}, {len(plain):,} "
                "pairs of which none and the next one are. Raise `max_length`, or join "
                "none."
            )
        # The first one last, whose sampled tokens are then the next to be used.
        first_epochs = [self._join(n) for n in reversed(range(_EPOCHS_FOR_SHAPES))]
        source_longest, target_longest = (np.array([length]) for length in longest)
        source, target, counts = joint_lengths(
            itertools.chain(
                [(source_longest, target_longest)],
                *(joined.length_chunks() for joined in first_epochs),
            )
        )
        self._limits = int(source.max()), int(target.max())
        self.lengths = source, target, counts

    def pairs(self, epoch: int | None) -> TokenPairs | JoinedPairs:
        """Returns the joined pairs of an epoch; of `None` the single pairs."""
        if epoch is None:
            return self._tokens(None)
        last = self._last  # read once: several threads may be here
        if last is None or last[0] != epoch:
            self._last = last = epoch, self._join(epoch)
        return last[1]

    def _join(self, epoch: int) -> JoinedPairs:
        random = np.random.default_rng([self._seed, epoch, _STREAM])
        return join_neighbours(
            self._tokens(epoch), self._max_count, self._limits, random
        )
