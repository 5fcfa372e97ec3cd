"""What the encoder leaves for the decoder to look at."""

from typing import Any, NamedTuple

from keras import ops

__all__ = ["Memory", "mean_of_memory", "restrict_to_position"]


class Memory(NamedTuple):
    """One batch of encoded sources: computed once, read at every decoder step.

    Every field has the batch as its first axis, so that beam search can repeat and
    reorder a memory field by field.
    """

    values: Any  # (B, S, M) compute dtype: encoder states
    keys: Any  # (B, S, A) compute dtype: projected values; None without attention
    mask: Any  # (B, S) bool, True = real token
    summary: Any  # (B, M) compute dtype: the whole source as one vector


def mean_of_memory(values, mask):
    """Returns the mean over real tokens, `(B, M)`; zeros for a row without any."""
    weights = ops.cast(mask, values.dtype)[:, :, None]
    total = ops.sum(values * weights, axis=1)
    return total / ops.maximum(ops.sum(weights, axis=1), 1)


def restrict_to_position(memory, place):
    """Returns a `Memory` of which each row has one place to look at.

    Args:
        memory: `Memory` of `N` rows.
        place: `(N,)` int32.
    """
    places = ops.arange(ops.shape(memory.mask)[1], dtype="int32")
    return memory._replace(mask=ops.equal(place[:, None], places))
