"""One layer that reads in both directions: what all encoders are stacked from."""

import keras
import numpy as np
from keras import ops

from keras_attn.layers.arguments import check_rank
from keras_attn.layers.cells.cell_dropout import fresh_dropout_masks
from keras_attn.layers.cells.cell_protocol import (
    output_width,
    run_cell,
    zero_states,
)
from keras_attn.layers.cells.rnn_cells import make_cell
from keras_attn.scanning import has_own_loop, scan

__all__ = ["check_mask_fits", "make_bidirectional", "read_both_ways"]


def make_bidirectional(
    cell,
    units,
    *,
    layer=0,
    layer_norm=False,
    recurrent_dropout=0.0,
    seed=None,
    dtype=None,
):
    """Returns the bidirectional RNN that is layer `layer` of a stack.

    All parts are named, so that the paths of weights do not count instances: the
    first layer is `rnn`, those above it are `rnn_1`, `rnn_2` and so on.

    Args:
        cell: `"gru"`, `"lstm"` or `"simple_rnn"`.
        units: Width of each direction.
        layer: Number of layers below.
        layer_norm: Whether the cells normalise what they add up.
        recurrent_dropout: Rate at which a cell's state is dropped in training, by
            one mask a sequence.
        seed: Of the whole stack; each direction of each layer has its own from it.
        dtype: Dtype policy; `None`: the global one.

    Returns:
        A `keras.layers.Bidirectional` that returns all states and the last ones.

    Raises:
        ValueError: If `cell` is unknown or a number is out of range.
    """
    own_seeds = recurrent_dropout and seed is not None

    def one_way(direction, **kwargs):
        return keras.layers.RNN(
            make_cell(
                cell,
                units,
                layer_norm=layer_norm,
                recurrent_dropout=recurrent_dropout,
                seed=_own_seed(seed, layer, direction) if own_seeds else None,
                name="cell",
                dtype=dtype,
            ),
            return_sequences=True,
            return_state=True,
            zero_output_for_mask=True,
            dtype=dtype,
            **kwargs,
        )

    # Without a backward layer Keras copies the forward one, its seed too: both
    # directions would drop the same places.
    backward = None
    if own_seeds:
        backward = one_way(1, go_backwards=True, name="backward_rnn")
    return keras.layers.Bidirectional(
        one_way(0, name="rnn"),
        backward_layer=backward,
        name=f"rnn_{layer}" if layer else "rnn",
        dtype=dtype,
    )


def read_both_ways(rnn, inputs, mask, training):
    """Runs a layer of `make_bidirectional`.

    Masked positions are stepped over in both directions, wherever they stand: the
    backward direction begins at the last real position of each row.

    Args:
        rnn: From `make_bidirectional`.
        inputs: `(B, S, F)`.
        mask: `(B, S)` booleans, True for a real position; `None`: all real.
        training: Passed to the cells.

    Returns:
        states: `(B, S, 2 * units)`, `[forward ; backward]`; zeros where masked.
        last: `(B, 2 * units)`, each direction's state after its last real position;
            zeros in a row without any.
    """
    if has_own_loop():
        there = _read_one_way(rnn.forward_layer, inputs, mask, training)
        back = _read_one_way(rnn.backward_layer, inputs, mask, training)
        states, last = zip(there, back, strict=True)
        return ops.concatenate(states, axis=-1), ops.concatenate(last, axis=-1)
    states, *last = rnn(inputs, mask=mask, training=training)
    # An LSTM's states are (h, c) for each direction: what is kept is of the h.
    return states, ops.concatenate([last[0], last[len(last) // 2]], axis=-1)


def _read_one_way(rnn, inputs, mask, training):
    """Runs one direction as `keras.layers.RNN` does, by `scan` and its gradient."""
    cell = rnn.cell
    steps = [ops.transpose(inputs, (1, 0, 2))]  # (S, B, F)
    if mask is not None:
        steps.append(ops.transpose(mask)[:, :, None])
    if rnn.go_backwards:
        steps = [ops.flip(each, axis=0) for each in steps]
    batch = ops.shape(inputs)[0]
    states = zero_states(cell, batch)

    def step(states, now, _):
        output, after = run_cell(cell, now[0], states, training)
        if mask is None:
            return after, output
        after = keras.tree.map_structure(
            lambda new, old: ops.where(now[1], new, old), after, states
        )
        return after, ops.where(now[1], output, ops.zeros_like(output))

    result = ops.zeros((batch, output_width(cell)), dtype=rnn.compute_dtype)
    with fresh_dropout_masks(cell, steps[0][0]):
        states, outputs = scan(
            step, states, result, steps, fixed=(), layer=cell, training=training
        )
    if rnn.go_backwards:
        outputs = ops.flip(outputs, axis=0)
    return ops.transpose(outputs, (1, 0, 2)), keras.tree.flatten(states)[0]


def check_mask_fits(layer_name, axes, mask_name, mask, **sequence):
    """Raises `ValueError` unless a mask has the first two axes of its sequence.

    Args:
        layer_name: For the message.
        axes: The axes that the sequence must have, such as `"(B, S)"`.
        mask_name: For the message.
        mask: Tensor, or `None`, which fits any sequence.
        **sequence: The one tensor or shape that the mask is of, by its name.
    """
    ((name, tensor),) = sequence.items()
    check_rank(layer_name, axes.count(",") + 1, axes, **sequence)
    if mask is None:
        return
    shape, mask_shape = tuple(tensor.shape), tuple(mask.shape)
    pairs = zip(shape, mask_shape, strict=False)
    differ = any(a != b for a, b in pairs if None not in (a, b))
    if len(mask_shape) != 2 or differ:
        raise ValueError(
            f"`{mask_name}` must have shape (B, S), the B and S of `{name}`. "
            f"Received: {mask_name} of shape {mask_shape}, {name} of shape {shape} "
            f"(layer {layer_name!r})."
        )


def _own_seed(seed, layer, direction):
    """Returns a seed unlike that of any other place, and unlike `seed` + 1, + 2, ...

    A model gives its other layers the numbers next to its own seed.
    """
    state = np.random.SeedSequence(abs(seed), spawn_key=(layer, direction))
    return int(state.generate_state(1)[0] >> 1)
