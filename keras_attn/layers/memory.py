"""What the encoder leaves for the decoder to look at."""

from typing import Any, NamedTuple

from keras import ops

__all__ = ["Memory", "mean_of_memory", "one_place_each"]


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


def one_place_each(memory):
    """Returns the `Memory` of `B * S` rows, each of which has one place to look at.

    Row `b * S + s` is row b of `memory` with all places masked but s.
    """
    rows, places = ops.shape(memory.mask)
    number = ops.arange(rows * places, dtype="int32")
    values, keys, summary = (
        None if each is None else ops.take(each, number // places, axis=0)
        for each in (memory.values, memory.keys, memory.summary)
    )
    mask = ops.equal(number[:, None] % places, ops.arange(places, dtype="int32"))
    return Memory(values, keys, mask, summary)
