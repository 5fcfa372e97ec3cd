import keras
import layer_batches
import layer_tools
import numpy as np
import pytest
import reference
import reference_cells
from keras import layers

from keras_attn import BahdanauAttention, LuongCell
from keras_attn.layers.cells.rnn_cells import create_cell

B, S, E, M, Q, F = 3, 5, 2, 6, 4, 7

CELLS = {
    **layer_batches.plain_cells(Q),
    "stack of one": lambda: layers.StackedRNNCells([layers.LSTMCell(Q)]),
    "residual": lambda: create_cell("lstm", Q, layers=2, residual=True),
    "layer norm": lambda: create_cell("gru", Q, layer_norm=True),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS.keys())


@pytest.fixture
def batch():
    return layer_batches.draw(inputs=(B, E), memory=(B, S, M), summary=(B, M))


def make_step(batch, make, with_attention=True, **kwargs):
    attention = BahdanauAttention(8) if with_attention else None
    cell = LuongCell(make(), attention, **kwargs)
    cell(state=cell.get_initial_state(batch["memory"]), **batch)
    return layer_tools.randomise(cell)


@every_cell
@pytest.mark.parametrize("with_attention", [True, False])
@pytest.mark.parametrize("units", [None, F])
def test_equals_the_paper_with_input_feeding(batch, make, with_attention, units):
    cell = make_step(batch, make, with_attention, attentional_units=units)
    generator = np.random.default_rng(1)
    words = generator.normal(size=(3, B, E)).astype("float32")
    first = state = cell.get_initial_state(batch["memory"])
    steps = []
    for inputs in words:
        *results, state = cell(state=state, **{**batch, "inputs": inputs})
        steps.append(results)
    for row in range(B):
        attend = (
            reference.additive(cell.attention)
            if with_attention
            else reference.no_attention(batch["summary"][row])
        )
        states = reference_cells.states_of(cell.cell, first.cell, row)
        source = (batch[name][row] for name in ("memory", "memory_mask"))
        *want, _ = reference_cells.decode(
            cell, attend, np.float64(words[:, row]), *source, states
        )
        for actual, expected in zip(zip(*steps, strict=True), want, strict=True):
            # float32 against float64 through 3 steps.
            actual = [each[row] for each in actual]
            np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_the_feed_is_zeros_first_and_then_the_output(batch):
    cell = make_step(batch, CELLS["gru"], attentional_units=F)
    state = cell.get_initial_state(batch["memory"])
    assert state.feed.shape == (B, F)
    np.testing.assert_array_equal(state.feed, 0)
    output, _, _, after = cell(state=state, **batch)
    np.testing.assert_array_equal(after.feed, output)
    assert np.abs(output).max() > 0
    fed, *_ = cell(state=after, **batch)
    starved, *_ = cell(state=after._replace(feed=state.feed), **batch)
    assert np.abs(fed - starved).max() > 1e-3


def test_the_query_is_the_new_state(batch):
    cell = make_step(batch, CELLS["stack"])
    state = cell.get_initial_state(batch["memory"])
    _, context, weights, after = cell(state=state, **batch)
    [query] = keras.tree.flatten(after.cell[-1])
    source = (batch[name] for name in ("memory", "memory_mask"))
    want = cell.attention(query, *source)
    np.testing.assert_allclose(context, want[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(weights, want[1], rtol=1e-5, atol=1e-6)


@every_cell
def test_the_state_keeps_its_structure(batch, make):
    cell = make_step(batch, make)
    state = cell.get_initial_state(batch["memory"])
    *_, after = cell(state=state, **batch)
    keras.tree.assert_same_structure(state, after)


def test_the_attentional_vector_is_as_wide_as_the_output(batch):
    cell = make_step(batch, CELLS["stack"])
    assert cell.output_size == Q
    assert cell.mix.kernel.shape == (M + Q, Q)
    assert not cell.mix.use_bias


def test_feeds_in_the_compute_dtype(batch):
    cell = LuongCell(layers.GRUCell(Q, dtype="mixed_bfloat16"), dtype="mixed_bfloat16")
    state = cell.get_initial_state(batch["memory"])
    output, _, _, after = cell(state=state, **batch)
    assert output.dtype == state.feed.dtype == after.feed.dtype == "bfloat16"


@pytest.mark.parametrize("units", [0, -3, 1.5, True])
def test_refuses_units(units):
    with pytest.raises(ValueError, match="must be a positive integer") as info:
        LuongCell(layers.GRUCell(Q), attentional_units=units, name="step")
    message = str(info.value)
    assert f"attentional_units={units!r}" in message
    assert "'step'" in message
