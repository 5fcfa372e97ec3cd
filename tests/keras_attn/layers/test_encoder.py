import keras
import layer_tools
import numpy as np
import pytest
import reference
import tensorflow as tf

from keras_attn import Encoder
from keras_attn.layers.encoder import make_cell

V, E, U = 11, 4, 3
IDS = np.array([[5, 6, 7, 8, 3], [9, 4, 3, 0, 0], [3, 0, 0, 0, 0]])
MASK = IDS != 0


def make_encoder(cell="gru", **kwargs):
    encoder = Encoder(V, E, U, cell=cell, **kwargs)
    encoder(IDS, ids_mask=MASK)
    return layer_tools.randomise(encoder)


@pytest.mark.parametrize("cell", ["gru", "lstm", "simple_rnn"])
def test_equals_two_readings(cell):
    encoder = make_encoder(cell)
    memory, summary = encoder(IDS, ids_mask=MASK)
    table = np.float64(encoder.embedding.table) * np.sqrt(E)
    directions = [encoder.rnn.forward_layer, encoder.rnn.backward_layer]
    steps = [reference.cell_step(direction.cell) for direction in directions]
    zeros = [np.zeros(U)] * (2 if cell == "lstm" else 1)
    for index, row in enumerate(IDS):
        length = MASK[index].sum()
        inputs = [table[word] for word in row[:length]]
        want, want_summary = reference.bidirectional(*steps, inputs, zeros)
        # float32 against float64 through 5 steps.
        np.testing.assert_allclose(memory[index, :length], want, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(summary[index], want_summary, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(memory[index, length:], 0)


def test_summary_is_each_direction_after_its_last_word():
    memory, summary = make_encoder()(IDS, ids_mask=MASK)
    for row, length in enumerate(MASK.sum(axis=1)):
        np.testing.assert_array_equal(summary[row, :U], memory[row, length - 1, :U])
        np.testing.assert_array_equal(summary[row, U:], memory[row, 0, U:])


def test_padding_and_batch_mates_change_nothing():
    encoder = make_encoder()
    memory, summary = encoder(IDS, ids_mask=MASK)
    junk = np.where(MASK, IDS, 10)
    wide = np.concatenate([junk, np.full((3, 2), 7)], axis=1)
    got = encoder(wide, ids_mask=np.pad(MASK, [(0, 0), (0, 2)]))
    np.testing.assert_allclose(got[0][:, :5], memory, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(got[0][:, 5:], 0)
    np.testing.assert_allclose(got[1], summary, rtol=1e-6, atol=1e-7)
    alone, alone_summary = encoder(IDS[1:2, :3])
    np.testing.assert_allclose(alone[0], memory[1, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(alone_summary[0], summary[1], rtol=1e-5, atol=1e-6)


def test_row_without_any_token_is_zeros_with_finite_gradients():
    encoder = make_encoder()
    mask = MASK.copy()
    mask[1] = False
    memory, summary = encoder(IDS, ids_mask=mask)
    np.testing.assert_array_equal(memory[1], 0)
    np.testing.assert_array_equal(summary[1], 0)
    layer_tools.check_gradients(encoder, lambda: encoder(IDS, ids_mask=mask))


def test_compiled_equals_eager():
    encoder = make_encoder()
    got = tf.function(encoder)(tf.constant(IDS), ids_mask=tf.constant(MASK))
    for have, want in zip(got, encoder(IDS, ids_mask=MASK), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-6, atol=1e-7)


def test_dropout_only_in_training():
    encoder = make_encoder(dropout=0.5)
    calm = [encoder(IDS, ids_mask=MASK)[0].numpy() for _ in range(2)]
    np.testing.assert_array_equal(*calm)
    wild = [encoder(IDS, ids_mask=MASK, training=True)[0].numpy() for _ in range(2)]
    assert (wild[0] != wild[1]).any()
    assert 0.2 < np.mean(wild[0][MASK] == 0) < 0.8


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    encoder = make_encoder(dtype=policy)
    memory, summary = encoder(IDS, ids_mask=MASK)
    assert {weight.dtype for weight in encoder.trainable_weights} == {"float32"}
    assert memory.dtype == summary.dtype == encoder.compute_dtype
    assert np.isfinite(np.float32(memory)).all()


def test_config_survives_json():
    encoder = Encoder(V, E, U, cell="lstm", dropout=0.25, seed=4, name="read")
    again = layer_tools.through_json(encoder)
    assert again.get_config() == encoder.get_config()
    want = encoder(IDS, ids_mask=MASK)
    again(IDS)
    again.set_weights(encoder.get_weights())
    for have, expected in zip(again(IDS, ids_mask=MASK), want, strict=True):
        np.testing.assert_array_equal(have, expected)


def test_in_a_functional_model_with_unknown_sizes(tmp_path):
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, Encoder(V, E, U)(ids, ids_mask=ids != 0))
    assert [each.shape for each in model.outputs] == [
        (None, None, 2 * U),
        (None, 2 * U),
    ]
    want = model.predict(IDS, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").predict(IDS, verbose=0)
    for have, expected in zip(again, want, strict=True):
        np.testing.assert_array_equal(have, expected)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"vocabulary_size": 0}, "`input_dim` must be a positive integer.*input_dim=0"),
        ({"units": -1}, "`units` must be a positive integer.*units=-1"),
        ({"dropout": 1.0}, "`dropout` is a rate in .*dropout=1.0"),
        ({"cell": "rnn"}, "`cell` must be one of 'gru', 'lstm', 'simple_rnn'.*'rnn'"),
    ],
)
def test_refuses(changed, rule):
    arguments = {"vocabulary_size": V, "embedding_dim": E, "units": U, **changed}
    with pytest.raises(ValueError, match=rule):
        Encoder(**arguments)


def test_make_cell():
    assert isinstance(make_cell("lstm", 5), keras.layers.LSTMCell)
    assert make_cell("gru", 5, dropout=0.1).dropout == 0.1
