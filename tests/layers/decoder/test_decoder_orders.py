"""`AttentionDecoder` in each order, around each kind of cell."""

import keras
import layer_batches
import layer_tools
import numpy as np
import pytest
import reference
import reference_cells
from keras import layers

from keras_attn import AttentionDecoder, BahdanauAttention
from keras_attn.layers.cells.residual_cell import ResidualCell
from keras_attn.layers.cells.rnn_cells import create_cell
from keras_attn.layers.decoder.attention_cell import AttentionCell
from keras_attn.layers.decoder.decoder import ORDERS

B, S, T, E, M, Q, A = 3, 5, 3, 2, 6, 4, 8

CELLS = {
    **layer_batches.plain_cells(Q),
    "all": lambda: create_cell("lstm", Q, layers=2, residual=True, layer_norm=True),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS.keys())
every_order = pytest.mark.parametrize("order", ORDERS)
both_kinds = pytest.mark.parametrize("with_attention", [True, False])


@pytest.fixture
def batch():
    return layer_batches.draw(inputs=(B, T, E), memory=(B, S, M), summary=(B, M))


def make_decoder(batch, make, order, with_attention=True, **kwargs):
    attention = BahdanauAttention(A) if with_attention else None
    decoder = AttentionDecoder(make(), attention, order=order, **kwargs)
    decoder(**batch)
    return layer_tools.randomise(decoder)


def start(decoder, batch):
    names = ("memory", "memory_mask", "summary")
    memory = decoder.memorize(*(batch[name] for name in names))
    return memory, decoder.initial_state(memory)


@every_cell
@every_order
@both_kinds
def test_equals_the_papers_and_its_own_steps(batch, make, order, with_attention):
    decoder = make_decoder(batch, make, order, with_attention)
    got = decoder(**batch)
    memory, first = start(decoder, batch)
    cell = decoder.cell
    for row in range(B):
        attend = (
            reference.additive(cell.attention)
            if with_attention
            else reference.no_attention(batch["summary"][row])
        )
        states = reference_cells.states_of(cell.cell, first.cell, row)
        inputs = np.float64(batch["inputs"][row])
        source = (batch[name][row] for name in ("memory", "memory_mask"))
        *want, _ = reference_cells.decode(cell, attend, inputs, *source, states)
        for actual, expected in zip(got, want, strict=True):
            # float32 against float64 through 3 steps of up to two cells.
            np.testing.assert_allclose(actual[row], expected, rtol=1e-3, atol=1e-4)
    state = first
    for t in range(T):
        *stepped, state = decoder.step(batch["inputs"][:, t], state, memory)
        keras.tree.assert_same_structure(state, first)
        for actual, expected in zip(stepped, got, strict=True):
            assert actual.dtype == expected.dtype
            np.testing.assert_allclose(actual, expected[:, t], rtol=1e-5, atol=1e-6)


@every_order
def test_later_words_change_nothing_before(batch, order):
    decoder = make_decoder(batch, CELLS["stack"], order)
    want = decoder(**batch)
    batch["inputs"][:, 1:] = 9
    for actual, expected in zip(decoder(**batch), want, strict=True):
        np.testing.assert_array_equal(actual[:, :1], expected[:, :1])
        assert not np.array_equal(actual[0, 1:], expected[0, 1:])


# The width of the query, and its place among all states.
QUERIES = {
    "one": (lambda: layers.LSTMCell(Q), Q, 0),
    "the last of a stack": (CELLS["stack"], Q, 2),
    "a residual last": (
        lambda: layers.StackedRNNCells(
            [layers.GRUCell(5), layers.LSTMCell(3), ResidualCell(layers.LSTMCell(3))]
        ),
        3,
        3,
    ),
    "a stack in a residual cell": (
        lambda: layers.StackedRNNCells(
            [
                layers.GRUCell(5),
                ResidualCell(
                    layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(5)])
                ),
            ]
        ),
        5,
        3,
    ),
}


@pytest.mark.parametrize(
    ("make", "size", "place"), QUERIES.values(), ids=QUERIES.keys()
)
@every_order
def test_the_query_is_the_first_state_of_the_last_layer(
    batch, make, size, place, order
):
    decoder = make_decoder(batch, make, order)
    assert decoder.cell.attention.query_kernel.shape == (size, A)
    _, state = start(decoder, batch)
    query = decoder.cell.query(state.cell)
    assert query is keras.tree.flatten(state.cell)[place]


@every_order
def test_mixed_precision_is_the_same_in_the_scan_and_in_steps(batch, order):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        decoder = make_decoder(batch, CELLS["all"], order)
    finally:
        keras.config.set_dtype_policy("float32")
    outputs, contexts, weights = decoder(**batch)
    assert outputs.dtype == contexts.dtype == "bfloat16"
    assert weights.dtype == "float32"
    memory, state = start(decoder, batch)
    output, *_ = decoder.step(batch["inputs"][:, 0], state, memory)
    actual, want = layer_tools.array(output), layer_tools.array(outputs)[:, 0]
    np.testing.assert_allclose(actual, want, rtol=1e-6)


class Bare(layers.Layer):
    """A cell with no more than Keras asks for: no output size, no initial state."""

    state_size = Q

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], Q), name="kernel")

    def call(self, inputs, states):
        state = keras.ops.tanh(keras.ops.matmul(inputs, self.kernel) + states[0])
        return state, [state]


@every_order
def test_a_bare_cell_is_enough(batch, order):
    decoder = make_decoder(batch, Bare, order)
    state = decoder.cell.get_initial_state(batch["memory"])
    np.testing.assert_array_equal(state.cell[0], np.zeros((B, Q)))
    assert decoder.cell.cell.built
    layer_tools.check_gradients(decoder, lambda: decoder(**batch))


def test_refuses_an_unknown_order():
    with pytest.raises(ValueError, match="must be one of") as info:
        AttentionDecoder(layers.GRUCell(Q), order="loung", name="decode")
    message = str(info.value)
    assert all(f"'{name}'" in message for name in (*ORDERS, "decode"))
    assert "order='loung'" in message


def test_a_step_refuses_another_batch(batch):
    cell = AttentionCell(layers.GRUCell(Q), name="step")
    state = cell.get_initial_state(batch["memory"])
    batch["inputs"] = np.ones((B + 1, E), "float32")
    with pytest.raises(ValueError, match="must agree in B") as info:
        cell(state=state, **batch)
    message = str(info.value)
    assert all(part in message for part in ("(4, 2)", "(3, 5, 6)", "'step'"))


def test_a_built_step_refuses_another_rank(batch):
    cell = AttentionCell(layers.GRUCell(Q), name="step")
    state = cell.get_initial_state(batch["memory"])
    batch["inputs"] = batch["inputs"][:, 0]
    cell(state=state, **batch)
    batch["memory"] = batch["summary"]
    with pytest.raises(ValueError, match=r"`memory` must have shape \(B, S, M\)"):
        cell(state=state, **batch)
