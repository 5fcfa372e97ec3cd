"""Where earlier steps looked, for align functions that ask."""

from typing import Any, NamedTuple

from keras import ops

__all__ = ["History", "extend_history", "start_history"]


class History(NamedTuple):
    """The attention weights of the steps so far, as one batch of values.

    It travels in the decoder's state, so that beam search reorders it with the rest.
    """

    previous: Any  # (B, S) float32, the weights of the step before; zeros at first
    total: Any  # (B, S) float32, the weights of all steps, summed: the coverage
    steps: Any  # (B,) int32, how many: zero weights alone do not tell the first step


def start_history(memory):
    """Returns the `History` before the first step over a memory `(B, S, M)`."""
    shape = ops.shape(memory)[:2]
    nowhere = ops.zeros(shape, dtype="float32")
    return History(nowhere, nowhere, steps=ops.zeros(shape[:1], dtype="int32"))


def extend_history(history, weights):
    """Returns the `History` after a step that looked with `weights` `(B, S)`."""
    # Under a mixed policy, a layer that was given the history has cast it.
    total = ops.cast(history.total, "float32") + weights
    return History(previous=weights, total=total, steps=history.steps + 1)
