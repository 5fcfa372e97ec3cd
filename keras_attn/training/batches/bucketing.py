"""Which sentences share a batch: much text, little padding, few shapes.

A recurrent model computes every position of a batch, padding too. Drawn at random,
a batch is about half padding; here sentences of like length share a batch.
"""

import collections
import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

__all__ = ["Batch", "Shapes", "best_widths", "joint_lengths", "plan_epoch"]

_AT_ONCE = 65_536  # pairs, where each needs more memory while it is looked at

# Target widths, and source widths for each. Of Multi30k's source positions 5 % are
# padding with many, 14 % with few; of its target positions 1 % and 3 %.
_MANY = 20, 8
_FEW = 14, 3


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """The pairs of one batch and the shape that holds them.

    Attributes:
        indices: `(B,)` int32, which pairs.
        source_width: `S`, at least their longest source.
        target_width: `T`, at least their longest target.
        epoch: Whose drawing of subwords the widths are for; `None`: no drawing.
    """

    indices: np.ndarray
    source_width: int
    target_width: int
    epoch: int | None = None


def best_widths(
    lengths: np.ndarray, count: int, times: np.ndarray | None = None
) -> np.ndarray:
    """Chooses the widths to pad to that waste the fewest positions.

    With `n_l` the number of lengths `l` and `w(l)` the smallest width of at least
    `l`, it minimises the sum over `l` of `n_l w(l)`, exactly, by dynamic programming
    over the last width but one.

    Args:
        lengths: `(N,)` positive integers.
        count: The most widths to choose.
        times: `(N,)` how often each length occurs; `None`: once.

    Returns:
        At most `count` widths, rising, the last one the longest length.

    Example:
    >>> best_widths(np.array([3, 3, 3, 4, 9, 10]), 2)
    array([ 4, 10])
    """
    candidates, which = np.unique(lengths, return_inverse=True)
    counts = np.bincount(which, times).astype("int64")
    below = np.concatenate([[0], np.cumsum(counts)])  # pairs under each candidate
    # cost[j]: positions for all lengths below candidate j, with the widths so far.
    cost = np.where(below == 0, 0.0, np.inf)
    choices = []
    for _ in range(min(count, len(candidates))):
        # step[i, j]: candidates i..j-1 are all padded to candidate j-1.
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
    """The few shapes that a corpus' sentences are padded to.

    Target widths are the finer, since the decoder's loop and the projection to the
    vocabulary cost most; each target width has source widths of its own, since
    long sentences have long translations.

    Attributes:
        target_widths: `(W,)`, rising.
        source_widths: Those of each target width, rising, the last the same for all.
    """

    target_widths: np.ndarray
    source_widths: tuple[np.ndarray, ...]

    @classmethod
    def of(
        cls,
        source_lengths: np.ndarray,
        target_lengths: np.ndarray,
        times: np.ndarray | None = None,
        *,
        few: bool = False,
    ) -> "Shapes":
        """Chooses the shapes.

        Args:
            source_lengths: `(N,)` tokens of each source.
            target_lengths: `(N,)` tokens of each target.
            times: `(N,)` how often each pair of lengths occurs; `None`: once.
            few: For a compiler that takes seconds for each shape: 14 target widths at
                most, and 3 source widths for each; otherwise 20, and 8.
        """
        target_widths, source_widths = _FEW if few else _MANY
        if times is None:
            times = np.ones(len(target_lengths), "int64")
        widths = best_widths(target_lengths, target_widths, times)
        padded = widths[np.searchsorted(widths, target_lengths)]
        # Other lengths of the same sentences may bring a long source to any width.
        longest = source_lengths.max()
        choices = (
            best_widths(source_lengths[inside], source_widths, times[inside])
            for inside in (padded == width for width in widths)
        )
        return cls(widths, tuple(np.union1d(choice, longest) for choice in choices))

    def pad(
        self, source_lengths: np.ndarray, target_lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the width of each source and target, `(N,)` each, that holds it.

        No length may be over the longest that the shapes were chosen for.
        """
        longest = max(self.target_widths[-1], self.source_widths[-1][-1])
        padded = np.empty((2, len(target_lengths)), np.min_scalar_type(int(longest)))
        for first in range(0, len(target_lengths), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            padded[:, part] = self._padded(source_lengths[part], target_lengths[part])
        source, target = padded
        return source, target

    def _padded(self, source_lengths, target_lengths):
        place = np.searchsorted(self.target_widths, target_lengths)
        padded_source = np.zeros_like(place)
        for index, widths in enumerate(self.source_widths):
            inside = place == index
            lengths = source_lengths[inside]
            padded_source[inside] = widths[np.searchsorted(widths, lengths)]
        return padded_source, self.target_widths[place]


def joint_lengths(
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts pairs of lengths, of which there are few.

    Args:
        parts: Source and target lengths of some pairs, `(n,)` each.

    Returns:
        Source lengths, target lengths and how often they come together, `(N,)` each.

    Example:
    >>> joint_lengths([(np.array([3, 3]), np.array([4, 4]))])
    (array([3]), array([4]), array([2]))
    """
    counts: collections.Counter[tuple[int, int]] = collections.Counter()
    for source, target in parts:
        both, times = np.unique(np.stack([source, target]), axis=1, return_counts=True)
        pairs = map(tuple, both.T.tolist())
        counts.update(dict(zip(pairs, times.tolist(), strict=True)))
    lengths = np.array(list(counts), "int64").reshape(-1, 2)
    return lengths[:, 0], lengths[:, 1], np.array(list(counts.values()), "int64")


def plan_epoch(
    padded_source: np.ndarray,
    padded_target: np.ndarray,
    *,
    batch_size: int,
    batch_tokens: int | None = None,
    seed: int | None,
    epoch: int | None,
) -> Sequence[Batch]:
    """Deals every pair to exactly one batch.

    A pure function of its arguments, so a resumed run continues in the same order.
    Pairs are shuffled, sorted by shape (the sort keeps the order within a shape),
    cut into batches, and the batches are shuffled. Where pairs of one shape do not
    fill a batch, the next shape fills it: source widths run up and down in turn, so
    that neighbours in this order are always of like shape.

    How many batches there are, and their sizes and shapes, does not depend on seed
    and epoch.

    Args:
        padded_source: `(N,)` source widths from `Shapes.pad`.
        padded_target: `(N,)` target widths from `Shapes.pad`.
        batch_size: Pairs in a batch; all but one are full.
        batch_tokens: Instead of `batch_size`: most positions of a side of a batch, so
            that long sentences share a batch with few others. At least the largest
            width.
        seed: Of the order; `None` for one fixed order, short sentences first.
        epoch: Each epoch has an order of its own; `None`: the fixed one.

    Returns:
        The batches, `ceil(N / batch_size)` or as many as the tokens ask for.
    """
    order = np.arange(len(padded_target), dtype="int32")
    random = None
    if seed is not None and epoch is not None:
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(order)
    shapes, codes = _walk(padded_source, padded_target)
    order = order[np.argsort(codes[order], kind="stable")]
    ends = np.cumsum(np.bincount(codes, minlength=len(shapes))).tolist()

    def capacity(width: int) -> int:
        return batch_size if batch_tokens is None else batch_tokens // width

    batches = [
        Batch(order[begin:end], source_width, target_width, epoch)
        for begin, end, source_width, target_width in _cut(
            ends, shapes.tolist(), capacity
        )
    ]
    if random is not None:
        random.shuffle(batches)
    return batches


def _walk(padded_source, padded_target):
    """Puts the shapes into an order of likeness.

    Returns:
        `(K, 2)` the source and target width of each, and `(N,)` uint16, which of them
        each pair has.
    """
    base = int(padded_source.max(initial=0)) + 1
    parts = [
        slice(first, first + _AT_ONCE)
        for first in range(0, len(padded_target), _AT_ONCE)
    ]

    def keys(part):
        return padded_target[part].astype("int64") * base + padded_source[part]

    found = np.unique(np.concatenate([np.unique(keys(part)) for part in parts]))
    target, source = np.divmod(found, base)
    _, rank = np.unique(target, return_inverse=True)
    order = np.lexsort((np.where(rank % 2 == 0, source, -source), rank))
    place = np.empty(len(found), "uint16")
    place[order] = np.arange(len(found))
    codes = np.empty(len(padded_target), "uint16")
    for part in parts:
        codes[part] = place[np.searchsorted(found, keys(part))]
    return np.stack([source, target], axis=1)[order], codes


def _cut(ends, shapes, capacity):
    """Yields begin, end and widths of each batch of pairs that are sorted by shape.

    Args:
        ends: Where the pairs of each shape end.
        shapes: Source and target width of each.
        capacity: From the larger width of a batch to the most pairs in it.
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
            room = begin + capacity(max(wider))
            if room <= end:
                break
            source, target = wider
            end = min(ends[last], room)
        yield begin, end, source, target
        begin = end
