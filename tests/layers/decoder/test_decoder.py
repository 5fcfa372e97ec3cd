import keras
import layer_batches
import layer_tools
import numpy as np
import pytest
import reference
import tensorflow as tf
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


@pytest.fixture(autouse=True)
def default_policy():
    yield
    keras.config.set_dtype_policy("float32")


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
    sizes = cell.state_size if isinstance(cell.state_size, list) else [cell.state_size]
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
        for have, want in zip(got, by_hand(decoder, row), strict=True):
            # float32 against float64 through 4 steps.
            np.testing.assert_allclose(have[index], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("run", [layer_tools.graph, layer_tools.xla])
def test_compiled_equals_eager(batch, run):
    decoder = make_decoder(batch)
    tensors = {name: tf.constant(value) for name, value in batch.items()}
    for have, want in zip(run(decoder)(**tensors), decoder(**batch), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


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
        for have, expected in zip(got, want, strict=True):
            assert have.dtype == expected.dtype
            # The same operations on the same numbers, whatever the precision.
            have, expected = np.float32(have), np.float32(expected[:, t])
            np.testing.assert_allclose(have, expected, rtol=1e-6, atol=1e-7)


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
    for have, expected in zip(decoder(**batch), want, strict=True):
        np.testing.assert_allclose(have, expected, rtol=1e-5, atol=1e-6)


def test_mask_defaults_to_all_real(batch):
    decoder = make_decoder(batch)
    batch["memory_mask"] = np.ones((B, S), bool)
    want = decoder(**batch)
    del batch["memory_mask"]
    for have, expected in zip(decoder(**batch), want, strict=True):
        np.testing.assert_array_equal(have, expected)


@every_cell
@both_kinds
def test_every_weight_gets_a_gradient(batch, make, with_attention):
    decoder = make_decoder(batch, make, with_attention)
    layer_tools.check_gradients(decoder, lambda: decoder(**batch))


def test_row_without_any_token_is_finite(batch):
    batch["memory_mask"][1] = False
    del batch["summary"]
    decoder = make_decoder(batch)
    _, contexts, weights = decoder(**batch)
    np.testing.assert_array_equal(weights[1], 0)
    np.testing.assert_array_equal(contexts[1], 0)
    layer_tools.check_gradients(decoder, lambda: decoder(**batch))


@both_kinds
def test_config_survives_json(batch, with_attention):
    attention = BahdanauAttention(A) if with_attention else None
    decoder = AttentionDecoder(CELLS["stack"](), attention, name="decode")
    again = layer_tools.through_json(decoder)
    assert again.get_config() == decoder.get_config()
    for each in (decoder, again):
        each(**batch)
    again.set_weights(decoder.get_weights())
    for have, want in zip(again(**batch), decoder(**batch), strict=True):
        np.testing.assert_array_equal(have, want)


def functional(decoder):
    inputs = {
        "inputs": keras.Input((None, E), name="inputs"),
        "memory": keras.Input((None, M), name="memory"),
        "memory_mask": keras.Input((None,), dtype="bool", name="memory_mask"),
    }
    return keras.Model(inputs, decoder(**inputs))


def test_in_a_functional_model_with_unknown_sizes(batch, tmp_path):
    model = functional(AttentionDecoder(layers.LSTMCell(Q), BahdanauAttention(A)))
    assert [each.shape for each in model.outputs] == [
        (None, None, Q),
        (None, None, M),
        (None, None, None),
    ]
    del batch["summary"]
    want = model.predict(batch, verbose=0)
    assert [array.shape for array in want] == [(B, T, Q), (B, T, M), (B, T, S)]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").predict(batch, verbose=0)
    for have, expected in zip(again, want, strict=True):
        np.testing.assert_array_equal(have, expected)


def test_dropout_in_cells_survives_many_traces(batch):
    cells = [
        layers.GRUCell(3, dropout=0.3, recurrent_dropout=0.3),
        layers.SimpleRNNCell(Q, dropout=0.3, recurrent_dropout=0.3),
    ]
    del batch["summary"]
    decoder = AttentionDecoder(layers.StackedRNNCells(cells), BahdanauAttention(A))
    model = functional(decoder)
    model.compile("sgd", loss=["mse", None, None])
    target = np.ones((B, T, Q), "float32")
    short = {**batch, "inputs": batch["inputs"][:, :2]}
    for inputs, labels in [(batch, target), (short, target[:, :2]), (batch, target)]:
        history = model.fit(inputs, labels, batch_size=2, verbose=0)
        assert np.isfinite(history.history["loss"]).all()
    decoder(**batch, training=True)
    for _ in range(2):  # two traces, and an eager call after each
        tf.function(decoder)(**batch, training=True)
        decoder(**batch, training=True)


def test_xla_compiles_training(batch):
    del batch["summary"]
    losses = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        model = functional(AttentionDecoder(layers.GRUCell(Q), BahdanauAttention(A)))
        model.compile("sgd", loss=["mse", None, None], jit_compile=jit_compile)
        target = np.ones((B, T, Q), "float32")
        history = model.fit(batch, target, epochs=3, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(*losses, rtol=1e-5)


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
    calm, _, _ = decoder(**batch)
    np.testing.assert_array_equal(calm[:, 0], 1)


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
