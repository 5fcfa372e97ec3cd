"""The protocol of Keras RNN cells: sizes, states, steps and dropout masks.

Whoever owns the loop over time drives any Keras cell by these functions, with the
defaults of what a cell may leave out.
"""

import contextlib
from collections.abc import Iterator

import keras
from keras import ops

from keras_attn.typing import Structure, Tensor

__all__ = [
    "DropoutCell",
    "check_cell",
    "draw_dropout_masks",
    "fresh_dropout_masks",
    "output_width",
    "reset_dropout_masks",
    "run_cell",
    "state_sizes",
    "zero_states",
]


def check_cell(layer_name: str, **cells: object) -> None:
    """Raises `ValueError` unless each keyword's value is a Keras RNN cell."""
    for name, cell in cells.items():
        parts = getattr(cell, "cells", cell)
        if isinstance(parts, list | tuple):
            inner = {f"{name}[{index}]": part for index, part in enumerate(parts)}
            check_cell(layer_name, **inner)
        # A class and a layer such as `GRU` have a `state_size` too.
        runs_steps = not isinstance(cell, type | keras.layers.RNN) and callable(cell)
        if not (runs_steps and hasattr(cell, "state_size")):
            raise ValueError(
                f"`{name}` must be a Keras RNN cell: callable, with a `state_size`. "
                f"Received: {name}={cell!r} (layer {layer_name!r}). {_remedy(cell)}"
            )


def _remedy(cell):
    """Returns what to write for a `cell` that is none."""
    if isinstance(cell, type):
        return f"Create a cell of that class: `{cell.__name__}(...)`."
    if isinstance(cell, keras.layers.RNN):
        return (
            f"Pass a `{type(cell.cell).__name__}`, which runs one step, instead of "
            f"a `{type(cell).__name__}`, which runs a whole sequence."
        )
    if isinstance(cell, list | tuple):
        return "Stack cells by `keras.layers.StackedRNNCells`."
    return "Use one such as `keras.layers.GRUCell(units)`."


def output_width(cell: keras.Layer) -> int:
    """Returns the width of a cell's output; by default that of its first state."""
    width = getattr(cell, "output_size", None)
    return keras.tree.flatten(cell.state_size if width is None else width)[0]


def state_sizes(cell: keras.Layer) -> Structure:
    """Returns a cell's state sizes as plain integers and lists of lists.

    Keras layers store lists in a class of Keras's own, which JAX does not treat as a
    list: structures made after that pattern could not go through a loop.
    """

    def to_lists(sizes):
        nested = isinstance(sizes, list | tuple)
        return [to_lists(size) for size in sizes] if nested else sizes

    return to_lists(cell.state_size)


def zero_states(cell: keras.Layer, batch: int | Tensor) -> list[Structure]:
    """Returns a cell's own initial states, as a list; by default zeros."""
    get_initial_state = getattr(cell, "get_initial_state", None)
    if get_initial_state is not None:
        states = get_initial_state(batch_size=batch)
    else:
        dtype = getattr(cell, "compute_dtype", keras.config.floatx())
        states = keras.tree.map_structure(
            lambda size: ops.zeros((batch, size), dtype=dtype), state_sizes(cell)
        )
    return list(states) if isinstance(states, list | tuple) else [states]


def run_cell(
    cell: keras.Layer, inputs: Tensor, states: Structure, training: bool | None
) -> tuple[Tensor, Structure]:
    """Returns a cell's output, and its next states in the structure of `states`.

    Args:
        cell: A Keras RNN cell.
        inputs: `(B, I)`.
        states: A list of `(B, Q)`, or of lists.
        training: Passed to a cell that takes it.
    """
    if keras.tree.flatten(states)[0].shape[0] == 0:
        # Keras's sum of two `(0, Q)` takes one for a bias and fails on TensorFlow.
        dtype = getattr(cell, "compute_dtype", keras.config.floatx())
        return ops.zeros((0, output_width(cell)), dtype=dtype), states
    with contextlib.nullcontext() if training else _without_dropout(cell):
        if getattr(cell, "_call_has_training_arg", False):
            output, next_states = cell(inputs, states, training=training)
        else:
            output, next_states = cell(inputs, states)
    # A stack of one cell returns its states without the list around them.
    flat = keras.tree.flatten(next_states)
    return output, keras.tree.pack_sequence_as(states, flat)


# Dropout masks. Keras cells draw their masks at the first step and cache them on the
# cell: one mask a sequence. `keras.layers.RNN` draws them before its loop and resets
# them after it, and so must any other loop. A mask drawn inside a traced loop would
# belong to that loop's graph and break the next trace; a mask never reset would be the
# same for every batch.

# The base class of Keras's own cells that holds their masks. `keras.layers.RNN` draws
# and resets masks for its subclasses only, yet Keras gives it no public name.
DropoutCell = next(
    base
    for base in keras.layers.SimpleRNNCell.__mro__
    if "reset_recurrent_dropout_mask" in vars(base)
)


@contextlib.contextmanager
def _without_dropout(cell):
    """Sets the rates of `cell`, and of all cells in it, to 0 inside the `with` block.

    `keras.layers.SimpleRNNCell` draws masks without training, too, and does not use
    them.
    """
    with contextlib.ExitStack() as stack:
        for inner in getattr(cell, "cells", ()):
            stack.enter_context(_without_dropout(inner))
        if hasattr(cell, "cell"):
            stack.enter_context(_without_dropout(cell.cell))
        if isinstance(cell, DropoutCell):
            for name in ("dropout", "recurrent_dropout"):
                rate = getattr(cell, name, 0.0)
                if rate:
                    setattr(cell, name, 0.0)
                    stack.callback(setattr, cell, name, rate)
        yield


@contextlib.contextmanager
def fresh_dropout_masks(
    cell: keras.Layer, inputs: Tensor, training: bool | None = True
) -> Iterator[None]:
    """Gives `cell` new dropout masks inside the `with` block and none after it.

    Without training nothing is drawn: a graph that is served must not hold the state of
    a random generator.

    Args:
        cell: A Keras RNN cell, or a stack or a wrapper of them.
        inputs: `(B, I)`, any input of one step; only its shape and dtype matter.
        training: Whether the cell applies its dropout.
    """
    reset_dropout_masks(cell)
    if training:
        draw_dropout_masks(cell, inputs)
    try:
        yield
    finally:
        reset_dropout_masks(cell)


def draw_dropout_masks(cell: keras.Layer, inputs: Tensor) -> None:
    """Draws the masks of `cell`, and of all cells in it, that are not drawn yet.

    Args:
        cell: A Keras RNN cell, or a stack or a wrapper of them.
        inputs: `(B, I)`, any input of one step; only its shape and dtype matter.
    """

    def zeros_of_width(width):
        return ops.zeros((ops.shape(inputs)[0], width), dtype=inputs.dtype)

    if isinstance(cell, keras.layers.StackedRNNCells):
        for inner in cell.cells:
            draw_dropout_masks(inner, inputs)
            inputs = zeros_of_width(output_width(inner))
    elif hasattr(cell, "get_dropout_mask"):
        cell.get_dropout_mask(inputs)
        # Recurrent dropout applies to the first state, which the kernel multiplies.
        state_width = keras.tree.flatten(cell.state_size)[0]
        cell.get_recurrent_dropout_mask(zeros_of_width(state_width))


def reset_dropout_masks(cell: keras.Layer) -> None:
    """Resets the masks of `cell` and of all cells in it."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        for inner in cell.cells:
            reset_dropout_masks(inner)
    elif hasattr(cell, "reset_dropout_mask"):
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
