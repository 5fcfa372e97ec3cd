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

from keras_attn.layers.cells.cell_protocol import output_width

__all__ = [
    "DropoutCell",
    "draw_dropout_masks",
    "forget_dropout_masks",
    "fresh_dropout_masks",
]

# The base class of Keras's own cells that holds their masks. `keras.layers.RNN` draws
# and forgets masks for its subclasses alone, yet Keras gives it no public name.
DropoutCell = next(
    base
    for base in keras.layers.SimpleRNNCell.__mro__
    if "reset_recurrent_dropout_mask" in vars(base)
)


@contextlib.contextmanager
def fresh_dropout_masks(cell, inputs):
    """Gives `cell` new dropout masks inside the `with` block and none after it.

    Args:
        cell: A Keras RNN cell, or a stack or a wrapper of them.
        inputs: `(B, I)`, any input of one step; only its shape and dtype matter.
    """
    forget_dropout_masks(cell)
    draw_dropout_masks(cell, inputs)
    try:
        yield
    finally:
        forget_dropout_masks(cell)


def draw_dropout_masks(cell, inputs):
    """Draws the masks of `cell`, and of all cells in it, that are not drawn yet.

    Args:
        cell: A Keras RNN cell, or a stack or a wrapper of them.
        inputs: `(B, I)`, any input of one step; only its shape and dtype matter.
    """

    def like_inputs(width):
        return ops.zeros((ops.shape(inputs)[0], width), dtype=inputs.dtype)

    if isinstance(cell, keras.layers.StackedRNNCells):
        for inner in cell.cells:
            draw_dropout_masks(inner, inputs)
            inputs = like_inputs(output_width(inner))
    elif hasattr(cell, "get_dropout_mask"):
        cell.get_dropout_mask(inputs)
        # Cells drop the first of their states: what they multiply with weights.
        state_width = keras.tree.flatten(cell.state_size)[0]
        cell.get_recurrent_dropout_mask(like_inputs(state_width))


def forget_dropout_masks(cell):
    """Forgets the masks of `cell` and of all cells in it."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        for inner in cell.cells:
            forget_dropout_masks(inner)
    elif hasattr(cell, "reset_dropout_mask"):
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
