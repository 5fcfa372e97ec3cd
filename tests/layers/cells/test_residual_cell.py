import layer_tools
import numpy as np
import pytest
import reference_cells
from keras import layers

from keras_attn.layers.cells.layer_norm_cells import LayerNormLSTMCell
from keras_attn.layers.cells.residual_cell import ResidualCell

B, T, Q = 3, 4, 5

CELLS = {
    "gru": lambda: layers.GRUCell(Q),
    "lstm": lambda: layers.LSTMCell(Q),
    "layer norm": lambda: LayerNormLSTMCell(Q),
    "a stack": lambda: layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(Q)]),
    "a stack of one": lambda: layers.StackedRNNCells([layers.GRUCell(Q)]),
    "twice": lambda: ResidualCell(layers.SimpleRNNCell(Q)),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS.keys())


@pytest.fixture
def inputs():
    return np.random.default_rng(0).normal(size=(B, T, Q)).astype("float32")


@every_cell
def test_adds_inputs_to_outputs_and_leaves_the_states(inputs, make):
    cell = ResidualCell(make())
    states = cell.get_initial_state(B)
    cell(inputs[:, 0], states)
    layer_tools.randomise(cell)
    for t in range(2):
        output, after = cell(inputs[:, t], states)
        inner, inner_after = cell.cell(inputs[:, t], states)
        np.testing.assert_allclose(output - inner, inputs[:, t], rtol=1e-5, atol=1e-6)
        flat, inner_flat = layer_tools.arrays(after), layer_tools.arrays(inner_after)
        for actual, expected in zip(flat, inner_flat, strict=True):
            np.testing.assert_array_equal(actual, expected)
        states = after


@every_cell
def test_in_a_keras_layer_equals_a_loop(inputs, make):
    cell = ResidualCell(make())
    rnn = layers.RNN(cell, return_sequences=True)
    rnn(inputs)
    layer_tools.randomise(rnn)
    outputs = rnn(inputs)
    step = reference_cells.cell_step(cell)
    for row in range(B):
        states = reference_cells.states_of(cell, cell.get_initial_state(B), row)
        for t, x in enumerate(np.float64(inputs[row])):
            expected, states = step(x, states)
            np.testing.assert_allclose(outputs[row, t], expected, rtol=1e-4, atol=1e-5)
    layer_tools.check_gradients(rnn, lambda: rnn(inputs))


class Bare(layers.Layer):
    """A cell with no more than Keras asks for."""

    state_size = Q

    def call(self, inputs, states):
        return inputs + states[0], [inputs]


def test_a_bare_cell_is_enough(inputs):
    cell = ResidualCell(Bare())
    assert cell.output_size == Q
    states = cell.get_initial_state(B)
    output, states = cell(inputs[:, 0], states, training=True)
    np.testing.assert_array_equal(output, 2 * inputs[:, 0])
    output, _ = cell(inputs[:, 1], states)
    expected = 2 * inputs[:, 1] + inputs[:, 0]
    np.testing.assert_allclose(output, expected, rtol=1e-6, atol=1e-7)


def test_refuses_other_widths(inputs):
    cell = ResidualCell(layers.GRUCell(7, name="gru"), name="residual")
    with pytest.raises(ValueError, match="must have the same width") as info:
        layers.RNN(cell)(inputs)
    message = str(info.value)
    parts = ("inputs of width 5", "'gru' with outputs of width 7", "'residual'")
    assert all(part in message for part in parts)


def test_refuses_what_is_no_cell():
    with pytest.raises(ValueError, match=r"must be a Keras RNN cell.* cell=3 "):
        ResidualCell(3)
