"""The values that decoder steps read and pass on: `Memory` and `DecoderState`."""

from typing import Any, NamedTuple

__all__ = ["DecoderState", "Memory"]


class Memory(NamedTuple):
    """A batch of encoded sources: computed once, read at every decoder step.

    Every field has the batch as its first axis, so that beam search can repeat and
    reorder a memory field by field.
    """

    values: Any  # (B, S, M) compute dtype: encoder states
    keys: Any  # (B, S, A) compute dtype: projected values; None without attention
    mask: Any  # (B, S) bool, True = real token
    summary: Any  # (B, M) compute dtype: the whole source as one vector


class DecoderState(NamedTuple):
    """Everything that one decoder step passes to the next, for a batch.

    Every tensor in it has the batch as its first axis, so that beam search can repeat
    and reorder a state whatever the cell and the align function are. A part that is
    not needed is `()`, which holds no tensor.
    """

    cell: Any  # the RNN cell's states: list of (B, Q) compute dtype, or of lists
    history: Any  # `History`, if the align function reads it
    feed: Any  # (B, F) compute dtype, the output before, where it is fed back
