import keras
import layer_batches
import layer_tools
import numpy as np
import pytest
import reference
from keras import layers

from keras_attn import AttentionDecoder, BahdanauAttention

B, S, T, E, M, Q, A = 3, 5, 4, 2, 6, 4, 8

CELLS = {
    "simple": lambda: layers.SimpleRNNCell(Q),
    "gru": lambda: layers.GRUCell(Q),
    "gru, reset before": lambda: layers.GRUCell(Q, reset_after=False),
    "lstm": lambda: layers.LSTMCell(Q),
    "stack": lambda: layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(Q)]),
    "stack of one": lambda: layers.StackedRNNCells([layers.GRUCell(Q)]),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS.keys())
both_kinds = pytest.mark.parametrize("with_attention", [True, False])


@pytest.fixture
def batch():
    return layer_batches.draw(inputs=(B, T, E), memory=(B, S, M), summary=(B, M))


def make_decoder(batch, make=CELLS["gru"], with_attention=True, **kwargs):
    attention = BahdanauAttention(A) if with_attention else None
    decoder = AttentionDecoder(make(), attention, **kwargs)
    decoder(**batch)
    return layer_tools.randomise(decoder)


def by_hand(decoder, row):
    """The whole scan of one sentence, the bridge included."""
    cell = decoder.cell
    first = [reference.dense_tanh(each, row["summary"]) for each in decoder.bridge.maps]
    attend = (
        reference.no_attention(row["summary"])
        if cell.attention is None
        else reference.additive(cell.attention)
    )
    sizes = cell.cell.state_size
    sizes = sizes if isinstance(sizes, list) else [sizes]
    states = keras.tree.pack_sequence_as(sizes, first)
    if isinstance(cell.cell, layers.StackedRNNCells):
        states = [each if isinstance(each, list) else [each] for each in states]
    step = reference.cell_step(cell.cell)
    rows = (row[name] for name in ("inputs", "memory", "memory_mask"))
    *results, _ = reference.decode(step, attend, *rows, states)
    return results


@every_cell
@both_kinds
def test_equals_the_recurrence(batch, make, with_attention):
    decoder = make_decoder(batch, make, with_attention)
    got = decoder(**batch)
    for index in range(B):
        row = {name: value[index] for name, value in batch.items()}
        for actual, want in zip(got, by_hand(decoder, row), strict=True):
            # float32 against float64 through 4 steps.
            np.testing.assert_allclose(actual[index], want, rtol=1e-4, atol=1e-5)


@every_cell
@both_kinds
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_step_by_step_equals_the_scan(batch, make, with_attention, policy):
    keras.config.set_dtype_policy(policy)
    decoder = make_decoder(batch, make, with_attention)
    want = decoder(**batch)
    memory = decoder.memorize(
        *(batch[name] for name in ("memory", "memory_mask", "summary"))
    )
    state = decoder.initial_state(memory)
    for t in range(T):
        *got, after = decoder.step(batch["inputs"][:, t], state, memory)
        keras.tree.assert_same_structure(after, state)
        state = after
        for actual, expected in zip(got, want, strict=True):
            assert actual.dtype == expected.dtype
            # The same operations on the same numbers, whatever the precision.
            actual, expected = np.float32(actual), np.float32(expected[:, t])
            np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


def test_memory_is_in_the_compute_dtype(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    decoder = make_decoder(batch)
    memory = decoder.memorize(batch["memory"], batch["memory_mask"])
    assert (
        memory.values.dtype == memory.keys.dtype == memory.summary.dtype == "bfloat16"
    )


def test_summary_defaults_to_the_mean_of_real_rows(batch):
    decoder = make_decoder(batch)
    pairs = zip(batch["memory"], batch["memory_mask"], strict=True)
    batch["summary"] = np.array([rows[keep].mean(axis=0) for rows, keep in pairs])
    want = decoder(**batch)
    del batch["summary"]
    for actual, expected in zip(decoder(**batch), want, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_mask_defaults_to_all_real(batch):
    decoder = make_decoder(batch)
    batch["memory_mask"] = np.ones((B, S), bool)
    want = decoder(**batch)
    del batch["memory_mask"]
    for actual, expected in zip(decoder(**batch), want, strict=True):
        np.testing.assert_array_equal(actual, expected)


def open_cell(**kwargs):
    """output = inputs + recurrence * state, one unit per input: shows its masks."""
    eye = keras.initializers.Identity()
    return layers.SimpleRNNCell(
        M, activation="linear", kernel_initializer=eye, recurrent_initializer=eye,
        seed=3, **kwargs,
    )  # fmt: skip


def test_input_dropout_is_one_mask_a_sequence():
    # No input, no state: the output is the running sum of the masked context of ones.
    decoder = AttentionDecoder(open_cell(dropout=0.5))
    batch = {
        "inputs": np.zeros((B, T, 0), "float32"),
        "memory": np.ones((B, S, M), "float32"),
    }
    decoder(**batch)
    for weight in decoder.bridge.weights:
        weight.assign(np.zeros(weight.shape))
    draws = [decoder(**batch, training=True)[0].numpy() for _ in range(4)]
    for outputs in draws:
        masks = np.diff(outputs, axis=1, prepend=0)
        assert set(masks.ravel()) == {0.0, 2.0}
        np.testing.assert_array_equal(masks, masks[:, :1].repeat(T, axis=1))
    assert len({outputs.tobytes() for outputs in draws}) == 4
    plain, _, _ = decoder(**batch)
    np.testing.assert_array_equal(plain[:, 0], 1)


def test_recurrent_dropout_is_one_mask_a_sequence():
    decoder = AttentionDecoder(open_cell(recurrent_dropout=0.5))
    batch = {
        "inputs": np.zeros((B, T, 0), "float32"),
        "memory": np.ones((B, S, M), "float32"),
    }
    draws = [decoder(**batch, training=True)[0].numpy() for _ in range(4)]
    for outputs in draws:
        # s_t = 1 + mask * s_{t-1}
        masks = (outputs[:, 1:] - 1) / outputs[:, :-1]
        np.testing.assert_allclose(masks, masks[:, :1].repeat(T - 1, axis=1), rtol=1e-5)
        assert set(np.round(masks.ravel(), 4)) == {0.0, 2.0}
    assert len({(draw[:, 1] == 1).tobytes() for draw in draws}) > 1


@pytest.mark.parametrize(
    ("name", "shape", "axes"),
    [("inputs", (B, E), "(B, T, E)"), ("memory", (B, M), "(B, S, M)")],
)
@pytest.mark.parametrize("built", [False, True])
def test_refuses_ranks(batch, name, shape, axes, built):
    decoder = AttentionDecoder(layers.GRUCell(Q), BahdanauAttention(A), name="decode")
    if built:
        decoder(**batch)
    batch[name] = np.ones(shape, "float32")
    with pytest.raises(ValueError, match=f"`{name}` must have shape") as info:
        decoder(**batch)
    message = str(info.value)
    assert all(part in message for part in (axes, str(shape), "'decode'"))


def test_refuses_parts_of_another_dtype():
    with pytest.raises(ValueError, match="must compute in the dtype") as info:
        AttentionDecoder(layers.GRUCell(Q, name="gru"), dtype="mixed_bfloat16")
    assert "'gru' in float32" in str(info.value)
