"""What a Keras RNN cell promises, and the defaults of what it may leave out."""

import keras
from keras import ops

__all__ = ["check_cell", "output_width", "run_cell", "state_sizes", "zero_states"]


def check_cell(layer_name, **cells):
    """Raises `ValueError` unless each keyword's value is a Keras RNN cell."""
    for name, cell in cells.items():
        if not (hasattr(cell, "state_size") and callable(cell)):
            raise ValueError(
                f"`{name}` must be a Keras RNN cell: callable, with a `state_size`. "
                f"Received: {name}={cell!r} (layer {layer_name!r})."
            )


def output_width(cell):
    """Returns the width of a cell's output; by default that of its first state."""
    width = getattr(cell, "output_size", None)
    return keras.tree.flatten(cell.state_size if width is None else width)[0]


def state_sizes(cell):
    """Returns a cell's state sizes as plain integers and lists of lists.

    Layers keep their lists in a class of Keras's own, which JAX takes for no list: what
    is made after its pattern could not go through a loop.
    """

    def plain(sizes):
        nested = isinstance(sizes, list | tuple)
        return [plain(each) for each in sizes] if nested else sizes

    return plain(cell.state_size)


def zero_states(cell, batch):
    """Returns a cell's own initial states, as a list; by default zeros."""
    make = getattr(cell, "get_initial_state", None)
    if make is not None:
        states = make(batch_size=batch)
    else:
        dtype = getattr(cell, "compute_dtype", keras.config.floatx())
        states = keras.tree.map_structure(
            lambda size: ops.zeros((batch, size), dtype=dtype), state_sizes(cell)
        )
    return list(states) if isinstance(states, list | tuple) else [states]


def run_cell(cell, inputs, states, training):
    """Returns a cell's output, and its next states in the structure of `states`.

    Args:
        cell: A Keras RNN cell.
        inputs: `(B, I)`.
        states: A list of `(B, Q)`, or of lists.
        training: Passed to a cell that takes it.
    """
    if getattr(cell, "_call_has_training_arg", False):
        output, after = cell(inputs, states, training=training)
    else:
        output, after = cell(inputs, states)
    # A stack of one cell returns its states without the list around them.
    return output, keras.tree.pack_sequence_as(states, keras.tree.flatten(after))
