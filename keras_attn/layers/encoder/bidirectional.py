"""Bidirectional RNN layers and the source summary: the parts of every encoder."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_attn.layers.cells.cell_protocol import (
    fresh_dropout_masks,
    output_width,
    run_cell,
    zero_states,
)
from keras_attn.layers.cells.rnn_cells import create_cell
from keras_attn.masking import masked_mean
from keras_attn.scanning import scan, uses_tensorflow_scan
from keras_attn.typing import DType, Tensor

__all__ = [
    "SUMMARIES",
    "create_bidirectional",
    "get_summary",
    "run_bidirectional",
]


def create_bidirectional(
    cell: str,
    units: int,
    *,
    layer: int = 0,
    layer_norm: bool = False,
    recurrent_dropout: float = 0.0,
    seed: int | None = None,
    dtype: DType = None,
) -> keras.layers.Bidirectional:
    """Returns the bidirectional RNN that is layer `layer` of an encoder's stack.

    All parts are named, so that the paths of weights do not count instances: the
    first layer is `rnn`, those above it are `rnn_1`, `rnn_2` and so on.

    Args:
        cell: `"gru"`, `"lstm"` or `"simple_rnn"`.
        units: Width of each direction.
        layer: Number of layers below.
        layer_norm: Whether the cells are layer-normalised.
        recurrent_dropout: Dropout rate of the cells' states in training: one mask a
            sequence.
        seed: Seed of the whole stack; each direction of each layer derives its own.
        dtype: Dtype policy; `None`: the global one.

    Returns:
        A `keras.layers.Bidirectional` that returns all states and the last ones.

    Raises:
        ValueError: If `cell` is unknown or a number is out of range.
    """
    seeded = recurrent_dropout and seed is not None

    def create_direction(direction, **kwargs):
        return keras.layers.RNN(
            create_cell(
                cell,
                units,
                layer_norm=layer_norm,
                recurrent_dropout=recurrent_dropout,
                seed=_direction_seed(seed, layer, direction) if seeded else None,
                name="cell",
                dtype=dtype,
            ),
            return_sequences=True,
            return_state=True,
            zero_output_for_mask=True,
            dtype=dtype,
            **kwargs,
        )

    # Without a backward layer Keras copies the forward one with its seed: both
    # directions would drop the same units.
    backward = None
    if seeded:
        backward = create_direction(1, go_backwards=True, name="backward_rnn")
    return keras.layers.Bidirectional(
        create_direction(0, name="rnn"),
        backward_layer=backward,
        name=f"rnn_{layer}" if layer else "rnn",
        dtype=dtype,
    )


def run_bidirectional(
    rnn: keras.layers.Bidirectional,
    inputs: Tensor,
    mask: Tensor | None,
    training: bool | None,
) -> tuple[Tensor, Tensor]:
    """Runs a layer of `create_bidirectional`.

    Masked positions are skipped in both directions, wherever they stand: the backward
    direction begins at the last real position of each row.

    Args:
        rnn: From `create_bidirectional`.
        inputs: `(B, S, F)`.
        mask: `(B, S)` booleans, True for a real position; `None`: all real.
        training: Passed to the cells.

    Returns:
        states: `(B, S, 2 * units)`, `[forward ; backward]`; zeros where masked.
        last: `(B, 2 * units)`, each direction's state after its last real position;
            zeros in a row without any.
    """
    if uses_tensorflow_scan() or 0 in inputs.shape[:2]:  # Keras refuses empty inputs
        forward = _run_direction(rnn.forward_layer, inputs, mask, training)
        backward = _run_direction(rnn.backward_layer, inputs, mask, training)
        states, last = zip(forward, backward, strict=True)
        return ops.concatenate(states, axis=-1), ops.concatenate(last, axis=-1)
    states, *last = rnn(inputs, mask=mask, training=training)
    # An LSTM's states are (h, c) for each direction: the summary is made of the h.
    return states, ops.concatenate([last[0], last[len(last) // 2]], axis=-1)


def _run_direction(rnn, inputs, mask, training):
    """Runs one direction as `keras.layers.RNN` does, but by `scan`."""
    cell = rnn.cell
    sequences = [ops.transpose(inputs, (1, 0, 2))]  # (S, B, F)
    if mask is not None:
        sequences.append(ops.transpose(mask)[:, :, None])  # (S, B, 1)
    if rnn.go_backwards:
        sequences = [ops.flip(sequence, axis=0) for sequence in sequences]
    batch = ops.shape(inputs)[0]
    states = zero_states(cell, batch)

    def step(states, step_inputs, _):
        output, next_states = run_cell(cell, step_inputs[0], states, training)
        if mask is None:
            return next_states, output
        is_real = step_inputs[1]
        next_states = keras.tree.map_structure(
            lambda new, old: ops.where(is_real, new, old), next_states, states
        )
        return next_states, ops.where(is_real, output, ops.zeros_like(output))

    output = ops.zeros((batch, output_width(cell)), dtype=rnn.compute_dtype)
    step_inputs = ops.zeros((batch, inputs.shape[-1]), dtype=inputs.dtype)
    with fresh_dropout_masks(cell, step_inputs, training):
        states, outputs = scan(
            step, states, output, sequences, fixed=(), layer=cell, training=training
        )
    if rnn.go_backwards:
        outputs = ops.flip(outputs, axis=0)
    return ops.transpose(outputs, (1, 0, 2)), keras.tree.flatten(states)[0]


def get_summary(
    kind: str, layer_name: str
) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """Returns the function that summarises the states of an encoder as one vector.

    Args:
        kind: `"last"`, each direction's state after its last word, or `"mean"`, the
            mean of the states of all words.
        layer_name: Name of the encoder, for the error message.

    Returns:
        A function of all states `(B, S, M)`, the last ones `(B, M)` and the mask
        `(B, S)` or `None`; it returns `(B, M)`, zeros for a row without any word.

    Raises:
        ValueError: If `kind` is unknown.

    Reference: the last states, Bahdanau et al., 2015, arXiv:1409.0473, appendix
    A.2.2 (there of the backward direction alone); the mean, Sennrich et al., 2017,
    arXiv:1703.04357, section 2.
    """
    if kind not in SUMMARIES:
        raise ValueError(
            f"`summary` must be one of {', '.join(map(repr, SUMMARIES))}. "
            f"Received: summary={kind!r} (layer {layer_name!r})."
        )
    return SUMMARIES[kind]


def _last(states, last, mask):
    return last


def _mean(states, last, mask):
    if mask is None:
        mask = ops.ones(ops.shape(states)[:2], dtype="bool")
    return masked_mean(states, mask)


SUMMARIES = {"last": _last, "mean": _mean}


def _direction_seed(seed, layer, direction):
    """Returns a seed unlike that of any other part, and unlike `seed` + 1, + 2, ...

    A model gives its other layers the numbers next to its own seed.
    """
    sequence = np.random.SeedSequence(abs(seed), spawn_key=(layer, direction))
    return int(sequence.generate_state(1)[0] >> 1)
