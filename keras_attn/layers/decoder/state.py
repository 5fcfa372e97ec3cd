"""The values that decoder steps read and pass on: `Memory` and `DecoderState`."""

from typing import NamedTuple

from keras_attn.layers.attention.base import History
from keras_attn.typing import Structure, Tensor

__all__ = ["DecoderState", "Memory"]


class Memory(NamedTuple):
    """A batch of encoded sources: computed once, read at every decoder step.

    Every field has the batch as its first axis, so that beam search can repeat and
    reorder a memory field by field.
    """

    values: Tensor  # (B, S, M) compute dtype: encoder states
    # (B, S, A) compute dtype: projected values; None without attention
    keys: Tensor | None
    mask: Tensor  # (B, S) bool, True = real token
    summary: Tensor  # (B, M) compute dtype: the whole source as one vector


class DecoderState(NamedTuple):
    """Everything that one decoder step passes to the next, for a batch.

    Every tensor in it has the batch as its first axis, so that beam search can repeat
    and reorder a state whatever the cell and the align function are. A part that is
    not needed is `()`, which holds no tensor.
    """

    cell: Structure  # the RNN cell's states: list of (B, Q) compute dtype, or of lists
    history: History | tuple[()]  # if the align function reads it
    # (B, F) compute dtype, the output before, where it is fed back
    feed: Tensor | tuple[()]
