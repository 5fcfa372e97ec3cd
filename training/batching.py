"""Which sentences share a batch: much text, little padding, few shapes.

A recurrent model computes every position of a batch, padding too. Drawn at random,
a batch is about half padding; here sentences of like length share a batch.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

__all__ = ["Batch", "Shapes", "best_widths", "plan_epoch"]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """The pairs of one batch and the shape that holds them.

    Attributes:
        indices: `(B,)` int64, which pairs.
        source_width: `S`, at least their longest source.
        target_width: `T`, at least their longest target.
        epoch: Whose drawing of subwords the widths are for; `None`: no drawing.
    """

    indices: np.ndarray
    source_width: int
    target_width: int
    epoch: int | None = None


def best_widths(lengths: np.ndarray, count: int) -> np.ndarray:
    """Chooses the widths to pad to that waste the fewest positions.

    With `n_l` the number of lengths `l` and `w(l)` the smallest width of at least
    `l`, it minimises the sum over `l` of `n_l w(l)`, exactly, by dynamic programming
    over the last width but one.

    Args:
        lengths: `(N,)` positive integers.
        count: The most widths to choose.

    Returns:
        At most `count` widths, rising, the last one the longest length.

    Example:
    >>> best_widths(np.array([3, 3, 3, 4, 9, 10]), 2)
    array([ 4, 10])
    """
    candidates, counts = np.unique(lengths, return_counts=True)
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
        *,
        target_widths: int = 14,
        source_widths: int = 3,
    ) -> "Shapes":
        """Chooses the shapes.

        Args:
            source_lengths: `(N,)` tokens of each source.
            target_lengths: `(N,)` tokens of each target.
            target_widths: The most different target widths.
            source_widths: The most different source widths for one target width that
                these lengths need.
        """
        widths = best_widths(target_lengths, target_widths)
        padded = widths[np.searchsorted(widths, target_lengths)]
        # Other lengths of the same sentences may bring a long source to any width.
        longest = source_lengths.max()
        choices = (
            best_widths(source_lengths[padded == width], source_widths)
            for width in widths
        )
        return cls(widths, tuple(np.union1d(choice, longest) for choice in choices))

    def pad(
        self, source_lengths: np.ndarray, target_lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the width of each source and target, `(N,)` each, that holds it.

        No length may be over the longest that the shapes were chosen for.
        """
        place = np.searchsorted(self.target_widths, target_lengths)
        padded_source = np.zeros_like(source_lengths)
        for index, widths in enumerate(self.source_widths):
            inside = place == index
            lengths = source_lengths[inside]
            padded_source[inside] = widths[np.searchsorted(widths, lengths)]
        return padded_source, self.target_widths[place]


def plan_epoch(
    padded_source: np.ndarray,
    padded_target: np.ndarray,
    *,
    batch_size: int,
    seed: int | None,
    epoch: int | None,
) -> Sequence[Batch]:
    """Deals every pair to exactly one batch, all full but one.

    A pure function of its arguments, so a resumed run continues in the same order.
    Pairs are shuffled, sorted by shape (the sort keeps the order within a shape),
    cut into batches, and the batches are shuffled. Where pairs of one shape do not
    fill a batch, the next shape fills it: source widths run up and down in turn, so
    that neighbours in this order are always of like shape.

    Args:
        padded_source: `(N,)` source widths from `Shapes.pad`.
        padded_target: `(N,)` target widths from `Shapes.pad`.
        batch_size: Pairs in a batch.
        seed: Of the order; `None` for one fixed order, short sentences first.
        epoch: Each epoch has an order of its own; `None`: the fixed one.

    Returns:
        `ceil(N / batch_size)` batches.
    """
    order = np.arange(len(padded_target))
    random = None
    if seed is not None and epoch is not None:
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(order)
    _, rank = np.unique(padded_target, return_inverse=True)
    walk = np.where(rank % 2 == 0, padded_source, -padded_source)
    order = order[np.lexsort((walk[order], rank[order]))]
    batches = []
    for begin in range(0, len(order), batch_size):
        indices = order[begin : begin + batch_size]
        source_width, target_width = (
            int(padded[indices].max()) for padded in (padded_source, padded_target)
        )
        batches.append(Batch(indices, source_width, target_width, epoch))
    if random is not None:
        random.shuffle(batches)
    return batches
