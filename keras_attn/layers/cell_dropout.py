"""Dropout masks of Keras RNN cells: one mask a sequence, a new one every call.

Keras cells draw their dropout masks at the first step and keep them on the cell.
`keras.layers.RNN` draws them before its loop and forgets them after it; whoever
owns the loop must do the same. Drawn inside a traced loop, a mask would belong to
that loop's graph and break the next trace; never forgotten, it would be the same
for every batch.
"""

import contextlib

import keras
from keras import ops

__all__ = ["fresh_dropout_masks"]


@contextlib.contextmanager
def fresh_dropout_masks(cell, inputs, states):
    """Gives `cell` new dropout masks inside the `with` block and none after it.

    Args:
        cell: A Keras RNN cell, or `StackedRNNCells` of them.
        inputs: `(B, I)`, any input of one step; only its shape and dtype matter.
        states: The cell's states before the first step.
    """
    _forget(cell)
    _draw(cell, inputs, states)
    try:
        yield
    finally:
        _forget(cell)


def _draw(cell, inputs, states):
    if isinstance(cell, keras.layers.StackedRNNCells):
        for inner, inner_states in zip(cell.cells, states, strict=True):
            _draw(inner, inputs, inner_states)
            width = _flat(inner.output_size)[0]
            inputs = ops.zeros((ops.shape(inputs)[0], width), dtype=inputs.dtype)
    elif hasattr(cell, "get_dropout_mask"):
        cell.get_dropout_mask(inputs)
        cell.get_recurrent_dropout_mask(_flat(states)[0])


def _forget(cell):
    for inner in getattr(cell, "cells", [cell]):
        if hasattr(inner, "reset_dropout_mask"):
            inner.reset_dropout_mask()
            inner.reset_recurrent_dropout_mask()


def _flat(structure):
    return keras.tree.flatten(structure)
