"""What one decoder step hands to the next."""

from typing import Any, NamedTuple

__all__ = ["DecoderState"]


class DecoderState(NamedTuple):
    """All that a decoder knows between two steps, for a batch.

    Every tensor in it has the batch as its first axis, so that beam search can repeat
    and reorder a state whatever the cell and the align function are. A part that is
    not needed is `()`, which holds no tensor.
    """

    cell: Any  # the RNN cell's states: list of (B, Q) compute dtype, or of lists
    history: Any  # `History`, where the align function asks for it
    feed: Any  # (B, F) compute dtype, the output before, where it is fed back
