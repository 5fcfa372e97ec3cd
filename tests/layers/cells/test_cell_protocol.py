"""Masks of every cell of ours in loops of ours and of Keras's."""

import layer_batches
import layer_tools
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_attn import AttentionDecoder, BahdanauAttention
from keras_attn.layers.cells.cell_protocol import (
    fresh_dropout_masks,
    run_cell,
    zero_states,
)
from keras_attn.layers.cells.residual_cell import ResidualCell
from keras_attn.layers.cells.rnn_cells import CELLS, create_cell
from keras_attn.layers.decoder.decoder import ORDERS

B, S, T, E, M, Q = 3, 5, 3, 2, 6, 4
RATES = {"dropout": 0.5, "recurrent_dropout": 0.5}

BUILDS = {
    "one": {},
    "residual": {"layers": 2, "residual": True},
    "all": {"layers": 2, "residual": True, "layer_norm": True},
}
# A Latin square: each order meets each kind of cell and each build once.
CASES = [
    pytest.param(kind, options, list(ORDERS)[(row + column) % 3], id=f"{kind}, {name}")
    for row, kind in enumerate(CELLS)
    for column, (name, options) in enumerate(BUILDS.items())
]
every_cell = pytest.mark.parametrize(("kind", "options", "order"), CASES)


@pytest.fixture
def batch():
    return layer_batches.draw(inputs=(B, T, E), memory=(B, S, M))


def leaves(cell):
    """The cells that hold masks."""
    if isinstance(cell, layers.StackedRNNCells):
        return [leaf for inner in cell.cells for leaf in leaves(inner)]
    return leaves(cell.cell) if isinstance(cell, ResidualCell) else [cell]


def masks_of(cell):
    """All masks that `cell` holds, without drawing any: a list for each kind."""
    found = []
    for leaf in leaves(cell):
        for name in ("_dropout_mask", "_recurrent_dropout_mask"):
            masks = getattr(leaf, name, None)
            found.append(masks if isinstance(masks, list | None) else [masks])
    return found


def make_decoder(batch, kind, options, order, seed=5):
    cell = create_cell(kind, Q, **options, **RATES, seed=seed)
    decoder = AttentionDecoder(cell, BahdanauAttention(8), order=order)
    decoder(**batch)
    return layer_tools.randomise(decoder)


def rnn_cells(decoder):
    second = getattr(decoder.cell, "second_cell", None)
    return [decoder.cell.cell] + ([] if second is None else [second])


@every_cell
def test_a_scan_is_its_steps_under_one_mask(batch, kind, options, order):
    """The same seed, once as a scan and once step by step with the masks in hand."""
    scanned, stepped = (make_decoder(batch, kind, options, order) for _ in range(2))
    want = scanned(**batch, training=True)
    memory = stepped.memorize(batch["memory"], batch["memory_mask"], training=True)
    state = stepped.initial_state(memory)
    with stepped.cell.fresh_dropout_masks(batch["inputs"][:, 0], memory.values):
        before = [masks_of(cell) for cell in rnn_cells(stepped)]
        for t in range(T):
            *got, state = stepped.step(
                batch["inputs"][:, t], state, memory, training=True
            )
            for actual, expected in zip(got, want, strict=True):
                np.testing.assert_allclose(actual, expected[:, t], rtol=1e-5, atol=1e-6)
        after = [masks_of(cell) for cell in rnn_cells(stepped)]
    for old, new in zip(before, after, strict=True):
        for old_masks, new_masks in zip(old, new, strict=True):
            assert len(old_masks) == len(new_masks)
            assert all(a is b for a, b in zip(old_masks, new_masks, strict=True))
            values = np.unique(np.concatenate([np.ravel(mask) for mask in old_masks]))
            assert set(values) <= {0.0, 2.0}
    for cell in rnn_cells(stepped) + rnn_cells(scanned):
        assert all(masks is None for masks in masks_of(cell))


def open_cell():
    """output = inputs, and no state: shows its masks."""
    return layers.SimpleRNNCell(
        Q, activation="linear", use_bias=False, kernel_initializer="identity",
        recurrent_initializer="zeros", dropout=0.5, seed=1,
    )  # fmt: skip


WRAPPERS = {
    "residual": lambda cell: ResidualCell(cell),
    "of a stack": lambda cell: ResidualCell(layers.StackedRNNCells([cell])),
    "in a stack": lambda cell: layers.StackedRNNCells([ResidualCell(cell)]),
    "twice": lambda cell: ResidualCell(ResidualCell(cell)),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_a_keras_loop_draws_and_resets_masks_of_wrapped_cells(wrap):
    rnn = layers.RNN(wrap(open_cell()), return_sequences=True)
    ones = np.ones((B, T, Q), "float32")
    plain = np.asarray(rnn(ones))
    masks = [np.asarray(rnn(ones, training=True)) - plain + 1 for _ in range(4)]
    for mask in masks:
        assert set(np.ravel(mask)) == {0.0, 2.0}
        np.testing.assert_array_equal(mask, mask[:, :1].repeat(T, axis=1))
    assert len({mask.tobytes() for mask in masks}) == 4


@pytest.mark.parametrize("kind", CELLS)
def test_layers_of_a_stack_drop_different_units(kind):
    stack = create_cell(kind, Q, layers=3, residual=True, **RATES, seed=1)
    stack.build((None, Q))
    with fresh_dropout_masks(stack, tf.ones((8, Q))):
        found = [np.ravel(masks[0]).tobytes() for masks in masks_of(stack)]
    assert len(set(found)) == len(found) == 6


def test_the_second_cell_drops_different_units(batch):
    decoder = make_decoder(batch, "gru", {"layers": 2}, "conditional")
    seeds = [leaf.seed for cell in rnn_cells(decoder) for leaf in leaves(cell)]
    assert len(set(seeds)) == 4


@pytest.mark.parametrize("wrap", [None, "stack", "residual"])
@pytest.mark.parametrize("kind", sorted(CELLS))
def test_nothing_is_drawn_outside_of_training(kind, wrap):
    inner = create_cell(kind, 4, dropout=0.5, recurrent_dropout=0.5, seed=1)
    cell = inner
    if wrap is not None:
        cell = ResidualCell(inner)
    if wrap == "stack":
        cell = layers.StackedRNNCells([cell])
    cell.build((2, 4))
    before = inner.seed_generator.state.numpy()
    states = zero_states(cell, 2)
    first, _ = run_cell(cell, np.ones((2, 4), "float32"), states, training=False)
    np.testing.assert_array_equal(inner.seed_generator.state.numpy(), before)
    assert (inner.dropout, inner.recurrent_dropout) == (0.5, 0.5)
    plain = create_cell(kind, 4)
    plain.build((2, 4))
    plain.set_weights([weight.numpy() for weight in inner.trainable_variables])
    states = zero_states(plain, 2)
    second, _ = run_cell(plain, np.ones((2, 4), "float32"), states, training=False)
    np.testing.assert_array_equal(first, second + (wrap is not None))


def test_cells_without_dropout_have_no_masks():
    cell = layers.StackedRNNCells([layers.GRUCell(Q), Bare()])
    with fresh_dropout_masks(cell, tf.ones((B, E))):
        assert masks_of(cell) == [None] * 4


class Bare(layers.Layer):
    """A cell with no more than Keras asks for."""

    state_size = Q

    def call(self, inputs, states):
        return inputs, states


GRU, LSTM = layers.GRU(Q), layers.LSTM(Q)
CELL_LIST = [layers.GRUCell(Q)]
# What is given for a cell, which part of it is refused, and what to write.
NOT_CELLS = {
    "GRU": (GRU, "cell", GRU, "Pass a `GRUCell`, which runs one step, instead of"),
    "LSTM": (LSTM, "cell", LSTM, "Pass a `LSTMCell`"),
    "RNN": (rnn := layers.RNN(layers.GRUCell(Q)), "cell", rnn, "Pass a `GRUCell`"),
    "in a list": ([layers.GRUCell(Q), GRU], "cell[1]", GRU, "Pass a `GRUCell`"),
    "in a stack": (layers.StackedRNNCells([GRU]), "cell[0]", GRU, "Pass a `GRUCell`"),
    "a list": (CELL_LIST, "cell", CELL_LIST, "`keras.layers.StackedRNNCells`"),
    "a class": (layers.GRUCell, "cell", layers.GRUCell, "Create a cell of that class"),
    "a name": ("gru", "cell", "gru", "`keras.layers.GRUCell(units)`"),
}


@pytest.mark.parametrize(
    ("cell", "name", "received", "remedy"), NOT_CELLS.values(), ids=NOT_CELLS.keys()
)
@pytest.mark.parametrize("make", [AttentionDecoder, ResidualCell])
def test_refuses_what_is_no_cell(make, cell, name, received, remedy):
    with pytest.raises(ValueError, match="must be a Keras RNN cell") as info:
        make(cell, name="decode")
    message = str(info.value)
    assert message.startswith(f"`{name}` must be")
    assert f"Received: {name}={received!r} (layer 'decode'). " in message
    assert remedy in message
