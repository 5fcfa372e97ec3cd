"""The fused GRU cell computes what Keras's does."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn.layers.cells.fused_gru_cell import FusedGRUCell

B, E, Q = 3, 4, 5


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
        {"use_bias": False},
        {"reset_after": False},
        {"dropout": 0.5, "recurrent_dropout": 0.5},
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_equals_the_cell_of_keras(options, dtype):
    generator = np.random.default_rng(3)
    ours = FusedGRUCell(Q, dtype=dtype, **options)
    theirs = keras.layers.GRUCell(Q, dtype=dtype, **options)
    for cell in (ours, theirs):
        cell.build((B, E))
    weights = [generator.normal(size=w.shape) for w in theirs.weights]
    ours.set_weights(weights[: len(ours.weights)])
    theirs.set_weights(weights)
    inputs = generator.normal(size=(B, E)).astype("float32")
    state = generator.normal(size=(B, Q)).astype("float32")
    for states in ([state], state):
        got, expected = (cell(inputs, states) for cell in (ours, theirs))
        for one, other in zip(
            keras.tree.flatten(got), keras.tree.flatten(expected), strict=True
        ):
            one, other = (
                ops.convert_to_numpy(ops.cast(x, "float32")) for x in (one, other)
            )
            tolerance = 1e-5 if dtype == "float32" else 5e-2
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
        keras.tree.assert_same_structure(got, expected)


def test_drops_in_training_as_keras_does():
    cell = FusedGRUCell(Q, dropout=0.5, recurrent_dropout=0.5, seed=1)
    inputs, state = np.ones((B, E), "float32"), [np.ones((B, Q), "float32")]
    plain, _ = cell(inputs, state)
    dropped, _ = cell(inputs, state, training=True)
    assert not np.allclose(ops.convert_to_numpy(plain), ops.convert_to_numpy(dropped))


@pytest.mark.parametrize(
    "options", [{}, {"use_bias": False}, {"dropout": 0.5, "seed": 1}], ids=str
)
def test_inputs_in_parts_are_inputs_side_by_side(options):
    whole, in_parts = (FusedGRUCell(Q, **options) for _ in range(2))
    for cell in (whole, in_parts):
        cell.build((B, E))
    in_parts.set_weights(whole.get_weights()[: len(in_parts.weights)])
    generator = np.random.default_rng(5)
    inputs = generator.normal(size=(B, E)).astype("float32")
    state = [generator.normal(size=(B, Q)).astype("float32")]
    for parts in (np.split(inputs, [1], axis=1), np.split(inputs, [1, 2], axis=1)):
        expected, _ = whole(inputs, state, training=True)
        got, _ = in_parts(list(parts), state, training=True)
        np.testing.assert_allclose(
            *map(ops.convert_to_numpy, (got, expected)), rtol=1e-5, atol=1e-6
        )
        for cell in (whole, in_parts):  # the same masks next time
            cell.reset_dropout_mask()
            cell.reset_recurrent_dropout_mask()
