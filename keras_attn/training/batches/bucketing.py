"""Length bucketing: sentences of similar length share a batch.

A recurrent model computes every position of a batch, padding included. A random batch
is about half padding.
"""

import collections
import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

__all__ = ["Batch", "Shapes", "best_widths", "joint_lengths", "plan_epoch"]

_CHUNK = 65_536  # pairs, where temporary arrays are larger than the result

# Numbers of target widths, and of source widths for each. With many, 5 % of Multi30k's
# source positions and 1 % of its target positions are padding; with few, 14 % and 3 %.
_MANY_WIDTHS = 20, 8
_FEW_WIDTHS = 14, 3


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """The pairs of one batch and the shape that holds them.

    Attributes:
        indices: `(B,)` int32 indices of the pairs.
        source_width: `S`, at least the length of their longest source.
        target_width: `T`, at least the length of their longest target.
        epoch: Epoch whose sampled subwords the widths are for; `None`: those of
            inference.
    """

    indices: np.ndarray
    source_width: int
    target_width: int
    epoch: int | None = None


def best_widths(
    lengths: np.ndarray, num_widths: int, counts: np.ndarray | None = None
) -> np.ndarray:
    """Returns the widths to pad to that need the fewest padded positions.

    With `n_l` the number of sentences of length `l` and `w(l)` the smallest width that
    is at least `l`, the widths minimize the sum over `l` of `n_l w(l)`. The optimum is
    exact, by dynamic programming over the last width but one.

    Args:
        lengths: `(N,)` positive integers.
        num_widths: Maximum number of widths.
        counts: `(N,)` number of occurrences of each length; `None`: 1.

    Returns:
        At most `num_widths` widths in increasing order, the last one the longest
        length.

    Example:
    >>> best_widths(np.array([3, 3, 3, 4, 9, 10]), 2)
    array([ 4, 10])
    """
    candidates, index = np.unique(lengths, return_inverse=True)
    occurrences = np.bincount(index, counts).astype("int64")
    below = np.concatenate([[0], np.cumsum(occurrences)])  # shorter than candidate j
    # cost[j]: positions of all lengths below candidate j, with the widths so far.
    cost = np.where(below == 0, 0.0, np.inf)
    choices = []
    for _ in range(min(num_widths, len(candidates))):
        # step[i, j]: candidates i..j-1 are padded to candidate j-1.
        step = np.full((len(below), len(below)), np.inf)
        for j in range(1, len(below)):
            step[:j, j] = cost[:j] + candidates[j - 1] * (below[j] - below[:j])
        choices.append(step.argmin(axis=0))
        cost = step.min(axis=0)
    widths, j = [], len(candidates)
    for choice in reversed(choices):
        widths.append(candidates[j - 1])
        j = choice[j]
    return np.array(widths[::-1])


@dataclasses.dataclass(frozen=True, eq=False)
class Shapes:
    """The few shapes that the sentences of a corpus are padded to.

    There are more target widths, since the decoder's loop and the projection to the
    vocabulary cost most. Each target width has its own source widths, since long
    sentences have long translations.

    Attributes:
        target_widths: `(W,)` in increasing order.
        source_widths: Widths for each target width in increasing order, the last one
            the same for all.
    """

    target_widths: np.ndarray
    source_widths: tuple[np.ndarray, ...]

    @classmethod
    def choose(
        cls,
        source_lengths: np.ndarray,
        target_lengths: np.ndarray,
        counts: np.ndarray | None = None,
        *,
        few: bool = False,
    ) -> "Shapes":
        """Chooses the shapes.

        Args:
            source_lengths: `(N,)` number of tokens of each source.
            target_lengths: `(N,)` number of tokens of each target.
            counts: `(N,)` number of occurrences of each pair of lengths; `None`: 1.
            few: For a compiler that takes seconds for each shape: at most 14 target
                widths, and 3 source widths for each; otherwise 20, and 8.
        """
        num_target_widths, num_source_widths = _FEW_WIDTHS if few else _MANY_WIDTHS
        if counts is None:
            counts = np.ones(len(target_lengths), "int64")
        widths = best_widths(target_lengths, num_target_widths, counts)
        padded = widths[np.searchsorted(widths, target_lengths)]
        # With sampled subwords, any target width may have the longest source.
        longest = source_lengths.max()
        source_widths = (
            best_widths(source_lengths[inside], num_source_widths, counts[inside])
            for inside in (padded == width for width in widths)
        )
        return cls(widths, tuple(np.union1d(own, longest) for own in source_widths))

    def pad(
        self, source_lengths: np.ndarray, target_lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the padded width of each source and each target, `(N,)`.

        No length may exceed the longest that the shapes were chosen for.
        """
        longest = max(self.target_widths[-1], self.source_widths[-1][-1])
        padded = np.empty((2, len(target_lengths)), np.min_scalar_type(int(longest)))
        for first in range(0, len(target_lengths), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            padded[:, chunk] = self._pad(source_lengths[chunk], target_lengths[chunk])
        source, target = padded
        return source, target

    def _pad(self, source_lengths, target_lengths):
        target_index = np.searchsorted(self.target_widths, target_lengths)
        padded_source = np.zeros_like(target_index)
        for index, widths in enumerate(self.source_widths):
            inside = target_index == index
            lengths = source_lengths[inside]
            padded_source[inside] = widths[np.searchsorted(widths, lengths)]
        return padded_source, self.target_widths[target_index]


def joint_lengths(
    chunks: Iterable[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts the distinct pairs of lengths.

    Args:
        chunks: Source and target lengths of some sentence pairs, `(n,)` each.

    Returns:
        Source lengths, target lengths and how often they occur together, `(N,)` each.

    Example:
    >>> joint_lengths([(np.array([3, 3]), np.array([4, 4]))])
    (array([3]), array([4]), array([2]))
    """
    counts: collections.Counter[tuple[int, int]] = collections.Counter()
    for chunk in chunks:
        distinct, times = np.unique(np.stack(chunk), axis=1, return_counts=True)
        pairs = map(tuple, distinct.T.tolist())
        counts.update(dict(zip(pairs, times.tolist(), strict=True)))
    lengths = np.array(list(counts), "int64").reshape(-1, 2)
    return lengths[:, 0], lengths[:, 1], np.array(list(counts.values()), "int64")


def plan_epoch(
    padded_source: np.ndarray,
    padded_target: np.ndarray,
    *,
    batch_size: int,
    batch_tokens: int | None = None,
    sentences: np.ndarray | None = None,
    multiple: int = 1,
    seed: int | None,
    epoch: int | None,
) -> Sequence[Batch]:
    """Returns the batches of an epoch, with every pair in exactly one of them.

    A pure function of its arguments, so a resumed run continues in the same order.
    Pairs are shuffled, sorted by shape (the sort keeps the order within a shape), and
    cut into batches, which are shuffled. Where the pairs of one shape do not fill a
    batch, those of the next shape do: source widths increase and decrease alternately,
    so that neighbours in this order have similar shapes.

    The number, sizes and shapes of the batches do not depend on seed and epoch; where
    pairs are joined ones, the number does not.

    Args:
        padded_source: `(N,)` source widths from `Shapes.pad`.
        padded_target: `(N,)` target widths from `Shapes.pad`.
        batch_size: Number of pairs in a batch; all batches but one are full.
        batch_tokens: Instead of `batch_size`: maximum number of positions of a side of
            a batch, so that long sentences share a batch with few others. At least the
            largest width.
        sentences: `(N,)` number of sentences in each pair, if they are joined ones.
            `batch_size` then counts sentences, so that batches of long pairs have few.
            At least as large as the largest of these numbers.
        multiple: Of joined pairs, a batch has a multiple of so many where that leaves
            no batch empty.
        seed: Random seed of the order; `None`: a fixed order, short sentences first.
        epoch: Number of the epoch, on which the order depends, too; `None`: the fixed
            order.

    Returns:
        The batches, `ceil(N / batch_size)` unless `batch_tokens` decides; of joined
        pairs, N is the sum of `sentences`.
    """
    order = np.arange(len(padded_target), dtype="int32")
    random = None
    if seed is not None and epoch is not None:
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(order)
    shapes, codes = _order_shapes(padded_source, padded_target)
    order = order[np.argsort(codes[order], kind="stable")]
    ends = np.cumsum(np.bincount(codes, minlength=len(shapes))).tolist()

    def capacity(width: int) -> int:
        return batch_size if batch_tokens is None else batch_tokens // width

    if sentences is None:
        cuts = _cut_batches(ends, shapes.tolist(), capacity)
    else:
        cuts = _cut_evenly(codes[order], shapes, sentences[order], batch_size, multiple)
    batches = [
        Batch(order[begin:end], source_width, target_width, epoch)
        for begin, end, source_width, target_width in cuts
    ]
    if random is not None:
        random.shuffle(batches)
    return batches


def _order_shapes(padded_source, padded_target):
    """Orders the shapes so that neighbours are similar.

    Returns:
        `(K, 2)` source and target width of each shape, and `(N,)` uint16, the index of
        the shape of each pair.
    """
    base = int(padded_source.max(initial=0)) + 1
    chunks = [
        slice(first, first + _CHUNK) for first in range(0, len(padded_target), _CHUNK)
    ]

    def keys(chunk):
        return padded_target[chunk].astype("int64") * base + padded_source[chunk]

    distinct = np.unique(np.concatenate([np.unique(keys(chunk)) for chunk in chunks]))
    target, source = np.divmod(distinct, base)
    _, rank = np.unique(target, return_inverse=True)
    order = np.lexsort((np.where(rank % 2 == 0, source, -source), rank))
    code_of_key = np.empty(len(distinct), "uint16")
    code_of_key[order] = np.arange(len(distinct))
    codes = np.empty(len(padded_target), "uint16")
    for chunk in chunks:
        codes[chunk] = code_of_key[np.searchsorted(distinct, keys(chunk))]
    return np.stack([source, target], axis=1)[order], codes


def _cut_batches(ends, shapes, capacity):
    """Yields begin, end and widths of each batch of pairs that are sorted by shape.

    Args:
        ends: End of the pairs of each shape.
        shapes: Source and target width of each shape.
        capacity: Function from the larger width of a batch to its number of pairs.
    """
    begin = shape = 0
    while begin < ends[-1]:
        while ends[shape] <= begin:
            shape += 1
        source, target = shapes[shape]
        end = min(ends[shape], begin + capacity(max(source, target)))
        last = shape
        while end == ends[last] and last + 1 < len(ends):
            last += 1
            wider = max(source, shapes[last][0]), max(target, shapes[last][1])
            limit = begin + capacity(max(wider))
            if limit <= end:
                break
            source, target = wider
            end = min(ends[last], limit)
        yield begin, end, source, target
        begin = end


def _cut_evenly(codes, shapes, sentences, batch_size, multiple):
    """Yields begin, end and widths of batches with equally many sentences.

    Args:
        codes: `(N,)` shape of each pair, in increasing order.
        shapes: `(K, 2)` source and target width of each shape.
        sentences: `(N,)` number of sentences in each pair.
        batch_size: Maximum mean number of sentences in a batch.
        multiple: The number of pairs in most batches is a multiple of it.
    """
    ends = np.cumsum(sentences, dtype="int64")
    batches = -(-int(ends[-1]) // batch_size)
    # A pair belongs to the batch in whose share of the sentences its middle is.
    shares = ends[-1] * np.arange(1, batches) / batches
    cuts = np.searchsorted(ends - sentences / 2, shares)
    cuts = np.round(cuts / multiple).astype("int64") * multiple
    # At least one pair in each batch: from the first, and from the last.
    number = np.arange(1, batches)
    cuts = np.maximum.accumulate(cuts - number) + number
    cuts = np.clip(cuts, number, len(codes) - batches + number)
    begins = np.concatenate([[0], cuts])
    widths = np.stack(
        [np.maximum.reduceat(side[codes], begins) for side in shapes.T], axis=1
    )
    for begin, end, width in zip(
        begins.tolist(), [*cuts.tolist(), len(codes)], widths.tolist(), strict=True
    ):
        yield begin, end, *width
