import keras
import layer_batches
import layer_tools
import numpy as np
import pytest
import reference
from keras import layers

from keras_attn import AttentionCell, BahdanauAttention

B, S, E, M, Q = 3, 5, 2, 6, 4


@pytest.fixture
def batch():
    return layer_batches.draw(inputs=(B, E), memory=(B, S, M), summary=(B, M))


def test_is_the_simple_recurrence_of_the_design(batch):
    """s_t = tanh(A [x'_t ; s_{t-1} ; c_t] + b), with c_t from s_{t-1}."""
    cell = AttentionCell(layers.SimpleRNNCell(Q), BahdanauAttention(8))
    state = layer_batches.state_like(cell, (B, S, M))
    cell(state=state, **batch)
    layer_tools.randomise(cell)
    output, context, weights, after = cell(state=state, **batch)
    attend = reference.additive(cell.attention)
    kernel, recurrent, bias = reference.double(cell.cell.weights)
    a = np.concatenate([kernel[:E], recurrent, kernel[E:]]).T  # [x' ; s ; c]
    for row in range(B):
        s = np.float64(state.cell[0][row])
        c, looked = attend(s, batch["memory"][row], batch["memory_mask"][row])
        expected = np.tanh(a @ np.concatenate([batch["inputs"][row], s, c]) + bias)
        # float32 against float64 over sums of at most 12 terms.
        np.testing.assert_allclose(weights[row], looked, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(context[row], c, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(output[row], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(after.cell[0], output)


def test_without_attention_the_context_is_the_summary(batch):
    cell = AttentionCell(layers.GRUCell(Q))
    _, context, weights, _ = cell(
        state=layer_batches.state_like(cell, (B, S, M)), **batch
    )
    np.testing.assert_array_equal(context, batch["summary"])
    np.testing.assert_array_equal(weights, np.zeros((B, S)))
    assert weights.dtype == "float32"


def test_without_attention_the_summary_is_needed(batch):
    cell = AttentionCell(layers.GRUCell(Q), name="plain")
    del batch["summary"]
    with pytest.raises(ValueError, match=r"summary=None .layer 'plain'."):
        cell(state=layer_batches.state_like(cell, (B, S, M)), **batch)


CELLS = {
    "simple": lambda: layers.SimpleRNNCell(Q),
    "gru": lambda: layers.GRUCell(Q),
    "lstm": lambda: layers.LSTMCell(Q),
    "stack of one": lambda: layers.StackedRNNCells([layers.GRUCell(Q)]),
    "stack of one lstm": lambda: layers.StackedRNNCells([layers.LSTMCell(Q)]),
    "stack": lambda: layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(Q)]),
}


@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS.keys())
def test_the_state_keeps_its_structure(batch, make):
    cell = AttentionCell(make(), BahdanauAttention(8))
    state = layer_batches.state_like(cell, (B, S, M))
    *_, after = cell(state=state, **batch)
    keras.tree.assert_same_structure(state, after)
    *_, third = cell(state=after, **batch)
    keras.tree.assert_same_structure(state, third)


def test_the_query_is_the_first_state_of_the_last_layer(batch):
    cell = AttentionCell(CELLS["stack"](), BahdanauAttention(8))
    state = layer_batches.state_like(cell, (B, S, M))
    _, _, weights, _ = cell(state=state, **batch)
    [upper] = keras.tree.flatten(state.cell[-1])
    _, expected = cell.attention(upper, batch["memory"], batch["memory_mask"])
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_refuses_what_is_no_cell():
    with pytest.raises(ValueError, match=r"must be a Keras RNN cell.* cell=3 "):
        AttentionCell(3)


def test_refuses_whole_sequences(batch):
    cell = AttentionCell(layers.GRUCell(Q), BahdanauAttention(8))
    batch["inputs"] = np.ones((B, 7, E), "float32")
    with pytest.raises(ValueError, match=r"have shape \(B, E\).*\(3, 7, 2\)"):
        cell(state=layer_batches.state_like(cell, (B, S, M)), **batch)
