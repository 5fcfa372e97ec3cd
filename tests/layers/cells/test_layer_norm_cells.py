import keras
import layer_tools
import numpy as np
import pytest
import reference_cells
from keras import layers

from keras_attn.layers.cells import layer_norm_cells
from keras_attn.layers.cells.layer_norm_cells import (
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LayerNormSimpleRNNCell,
)

B, T, E, Q = 3, 4, 3, 5

CELLS = [LayerNormSimpleRNNCell, LayerNormGRUCell, LayerNormLSTMCell]
every_cell = pytest.mark.parametrize("kind", CELLS)


@pytest.fixture
def inputs():
    return np.random.default_rng(0).normal(size=(B, T, E)).astype("float32")


def make(kind, **kwargs):
    cell = kind(Q, **kwargs)
    cell.build((None, E))
    return layer_tools.randomise(cell)


def states_for(cell, seed=1):
    generator = np.random.default_rng(seed)
    return [
        generator.normal(size=state.shape).astype("float32")
        for state in cell.get_initial_state(B)
    ]


@every_cell
def test_equals_the_paper(inputs, kind):
    cell = make(kind)
    states = states_for(cell)
    output, after = cell(inputs[:, 0], states)
    step = reference_cells.cell_step(cell)
    for row in range(B):
        now = reference_cells.states_of(cell, states, row)
        want, want_states = step(np.float64(inputs[row, 0]), now)
        # float32 against float64: one step of normalised sums of at most 5 terms.
        np.testing.assert_allclose(output[row], want, rtol=1e-4, atol=1e-5)
        for actual, expected in zip(after, want_states, strict=True):
            np.testing.assert_allclose(actual[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_without_the_operation_of_newer_keras(inputs, monkeypatch, dtype):
    """`keras.ops.layer_normalization` is missing before Keras 3.11."""
    cell = layer_norm_cells.LayerNormCell(Q)
    values = keras.ops.cast(100 * inputs[:, 0], dtype)
    gain, bias = keras.ops.convert_to_tensor(inputs[0, :2] + 1)
    monkeypatch.delattr(keras.ops, "layer_normalization", raising=False)
    normalised = cell.normalise(values, gain, bias)
    exact = np.float64(keras.ops.convert_to_numpy(values))
    deviation = exact - exact.mean(-1, keepdims=True)
    want = deviation / np.sqrt((deviation**2).mean(-1, keepdims=True) + cell.epsilon)
    want = want * np.float64(gain) + np.float64(bias)
    assert keras.backend.standardize_dtype(normalised.dtype) == dtype
    # One rounding to 24 or 11 bits, after sums in float32 of values around 100.
    tolerance = {"float32": 1e-5, "float16": 2e-3}[dtype]
    np.testing.assert_allclose(normalised, want, rtol=tolerance, atol=tolerance)


@every_cell
def test_in_a_keras_layer_equals_a_loop(inputs, kind):
    cell = make(kind)
    mask = np.arange(T) < np.array([[4], [2], [1]])
    rnn = layers.RNN(cell, return_sequences=True, zero_output_for_mask=True)
    outputs = rnn(inputs, mask=mask)
    step = reference_cells.cell_step(cell)
    zeros = [np.zeros(Q)] * len(cell.get_initial_state(B))
    for row in range(B):
        states, want = zeros, []
        for x in np.float64(inputs[row, mask[row]]):
            output, states = step(x, states)
            want.append(output)
        got = outputs[row, : len(want)]
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(outputs[row, len(want) :], 0)


@every_cell
def test_both_directions_in_a_stack(inputs, kind):
    cells = layers.StackedRNNCells([kind(Q), kind(Q)])
    both = layers.Bidirectional(layers.RNN(cells, return_sequences=True))
    outputs = both(inputs)
    assert outputs.shape == (B, T, 2 * Q)
    layer_tools.randomise(both)
    layer_tools.check_gradients(both, lambda: both(inputs))


@every_cell
def test_scale_and_shift_of_the_products_do_not_matter(inputs, kind):
    """Section 5.1 of the paper: the normalised cell is invariant to both."""
    cell = make(kind, epsilon=1e-12)
    states = states_for(cell)
    want, _ = cell(inputs[:, 0], states)
    # Added to all columns, it adds the same number to all units.
    shift = np.random.default_rng(2).normal(size=(E, 1))
    cell.kernel.assign(100 * cell.kernel.numpy() + shift)
    cell.recurrent_kernel.assign(0.01 * cell.recurrent_kernel.numpy())
    got, _ = cell(inputs[:, 0], states)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


@every_cell
def test_rows_are_normalised_by_themselves(inputs, kind):
    cell = make(kind)
    states = states_for(cell)
    want, _ = cell(inputs[:, 0], states)
    alone, _ = cell(inputs[1:2, 0], [state[1:2] for state in states])
    np.testing.assert_allclose(alone[0], want[1], rtol=1e-5, atol=1e-6)


@every_cell
def test_a_state_of_zeros_has_no_variance_to_divide_by(kind):
    cell = make(kind)
    output, states = cell(np.zeros((B, E), "float32"), cell.get_initial_state(B))
    assert all(np.isfinite(each).all() for each in (output, *states))
    np.testing.assert_allclose(output[0], output[1], rtol=1e-5, atol=1e-6)


def test_the_forget_gate_of_a_new_lstm_is_open():
    cell = LayerNormLSTMCell(Q)
    cell.build((None, E))
    want = np.concatenate([np.zeros(Q), np.ones(Q), np.zeros(2 * Q)])
    np.testing.assert_array_equal(cell.input_bias, want)
    np.testing.assert_array_equal(cell.recurrent_bias, 0)


@every_cell
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_normalises_in_float32(kind, policy):
    """The products are exact in both dtypes, their squares overflow float16."""
    low, high = make(kind, dtype=policy), make(kind)
    kernel = 1024 + 64 * np.random.default_rng(4).integers(8, size=high.kernel.shape)
    inputs = np.eye(1, E, dtype="float32")
    for cell in (low, high):
        cell.kernel.assign(kernel)
    got, states = low(inputs, low.get_initial_state(1))
    want, _ = high(inputs, high.get_initial_state(1))
    assert {state.dtype.name for state in [got, *states]} == {policy[6:]}
    # bfloat16 has 8 bits: 0.4 % of gates and of what they let through.
    np.testing.assert_allclose(layer_tools.array(got), want, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"units": 0}, "`units` must be a positive integer.*units=0 .layer 'cell'"),
        ({"epsilon": 0}, "`epsilon` is added to the variance.*epsilon=0 .layer 'cell'"),
        ({"epsilon": "a"}, "must be a positive number.*epsilon='a'"),
        ({"dropout": 1.0}, "`dropout` is a rate in .*dropout=1.0"),
        ({"recurrent_dropout": -1}, "`recurrent_dropout` is a rate .*dropout=-1"),
    ],
)
def test_refuses(changed, rule):
    with pytest.raises(ValueError, match=rule):
        LayerNormGRUCell(**{"units": Q, "name": "cell", **changed})


def test_refuses_whole_sequences(inputs):
    with pytest.raises(ValueError, match=r"have shape \(B, I\).*\(3, 4, 3\)"):
        LayerNormGRUCell(Q).build(inputs.shape)
