import keras
import layer_tools
import numpy as np
import pytest
import reference_encoders
import tensorflow as tf

from keras_attn import AttentionDecoder, BahdanauAttention
from keras_attn.layers.encoder.pyramidal_encoder import PyramidalEncoder

F, U, S = 4, 3, 7
LENGTHS = np.array([7, 4, 1])
MASK = np.arange(S) < LENGTHS[:, None]
FRAMES = np.random.default_rng(0).normal(size=(3, S, F)).astype("float32")


def make_encoder(layers=3, factor=2, **kwargs):
    encoder = PyramidalEncoder(U, layers, factor, **kwargs)
    encoder(FRAMES, features_mask=MASK)
    return layer_tools.randomise(encoder)


def shortened(lengths, layers, factor):
    """How many positions are left: of a group with any real part, one."""
    for _ in range(layers - 1):
        lengths = np.array([len(range(0, length, factor)) for length in lengths])
    return lengths


@pytest.mark.parametrize(("layers", "factor"), [(1, 2), (2, 2), (3, 2), (3, 3), (2, 1)])
@pytest.mark.parametrize("cell", ["lstm", "gru", "simple_rnn"])
def test_equals_the_paper(cell, layers, factor):
    encoder = make_encoder(layers, factor, cell=cell)
    memory, summary, mask = encoder(FRAMES, features_mask=MASK)
    lengths = shortened(LENGTHS, layers, factor)
    assert memory.shape == (3, lengths[0], 2 * U)
    np.testing.assert_array_equal(mask, np.arange(lengths[0]) < lengths[:, None])
    for index, length in enumerate(lengths):
        rows = np.float64(FRAMES[index, : LENGTHS[index]])
        want, last = reference_encoders.pyramid(encoder.rnns, rows, factor)
        # float32 against float64 through 7 steps of 3 layers.
        np.testing.assert_allclose(memory[index, :length], want, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(summary[index], last, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(memory[index, length:], 0)


def test_mean_summary_is_of_the_joined_positions():
    memory, summary, mask = make_encoder(summary="mean")(FRAMES, features_mask=MASK)
    for index in range(3):
        want = np.float64(memory[index])[np.array(mask[index])].mean(axis=0)
        np.testing.assert_allclose(summary[index], want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("choices", [{}, {"layer_norm": True}, {"summary": "mean"}])
def test_padding_and_batch_mates_change_nothing(choices):
    encoder = make_encoder(**choices)
    memory, summary, _ = encoder(FRAMES, features_mask=MASK)
    junk = np.where(MASK[..., None], FRAMES, 1e3)
    # 7 frames become 2 positions, 12 become 3.
    wide = np.pad(junk, [(0, 0), (0, 5), (0, 0)], constant_values=-1e3)
    got = encoder(wide, features_mask=np.pad(MASK, [(0, 0), (0, 5)]))
    np.testing.assert_allclose(got[0][:, :2], memory, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(got[0][:, 2:], 0)
    np.testing.assert_array_equal(np.sum(got[2], axis=1), [2, 1, 1])
    np.testing.assert_allclose(got[1], summary, rtol=1e-6, atol=1e-7)
    alone = encoder(FRAMES[1:2, :4])
    np.testing.assert_allclose(alone[0], memory[1:2, :1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(alone[1], summary[1:2], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(alone[2], [[True]])


def test_without_a_mask_all_is_real():
    encoder = make_encoder()
    got = encoder(FRAMES)
    want = encoder(FRAMES, features_mask=np.ones_like(MASK))
    for have, expected in zip(got[:2], want[:2], strict=True):
        np.testing.assert_allclose(have, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(got[2], np.ones((3, 2), bool))


@pytest.mark.parametrize("summary", ["last", "mean"])
def test_row_without_any_frame_is_zeros_with_finite_gradients(summary):
    encoder = make_encoder(summary=summary)
    mask = MASK.copy()
    mask[1] = False
    memory, summary, memory_mask = encoder(FRAMES, features_mask=mask)
    np.testing.assert_array_equal(memory[1], 0)
    np.testing.assert_array_equal(summary[1], 0)
    assert not np.any(memory_mask[1])
    layer_tools.check_gradients(
        encoder, lambda: encoder(FRAMES, features_mask=mask)[:2]
    )


@pytest.mark.parametrize("frames", [None, S])
def test_in_a_functional_model(tmp_path, frames):
    features = keras.Input((frames, F))
    marks = keras.Input((frames,), dtype="bool")
    encoder = PyramidalEncoder(U, 3)
    model = keras.Model([features, marks], encoder(features, features_mask=marks))
    short = frames and 2
    assert [each.shape for each in model.outputs] == [
        (None, short, 2 * U),
        (None, 2 * U),
        (None, short),
    ]
    want = encoder(FRAMES, features_mask=MASK)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for each in (model, again):
        got = each.predict([FRAMES, MASK], verbose=0)
        for have, expected in zip(got, want, strict=True):
            np.testing.assert_allclose(have, expected, rtol=1e-5, atol=1e-6)


def test_one_graph_serves_all_lengths():
    encoder = make_encoder()
    signature = tf.TensorSpec((None, None, F))
    graph = tf.function(encoder, input_signature=[signature])
    for length in range(1, S + 1):
        want = encoder(FRAMES[:, :length])
        for have, expected in zip(graph(FRAMES[:, :length]), want, strict=True):
            np.testing.assert_allclose(have, expected, rtol=1e-5, atol=1e-6)


def test_dropout_only_in_training_and_not_of_the_features():
    encoder = make_encoder(dropout=0.5, recurrent_dropout=0.5, seed=3)
    calm = [encoder(FRAMES)[0].numpy() for _ in range(2)]
    np.testing.assert_array_equal(*calm)
    wild = [encoder(FRAMES, training=True)[0].numpy() for _ in range(2)]
    assert (wild[0] != wild[1]).any()
    # With one layer, what is dropped is the memory, which is else what it was.
    flat = make_encoder(layers=1, dropout=0.5)
    calm, wild = (flat(FRAMES, training=each)[0].numpy() for each in (False, True))
    kept = wild != 0
    assert 0.2 < kept.mean() < 0.8
    np.testing.assert_allclose(wild[kept], 2 * calm[kept], rtol=1e-6)


def test_feeds_a_decoder():
    encoder = make_encoder()
    memory, summary, mask = encoder(FRAMES, features_mask=MASK)
    decode = AttentionDecoder(keras.layers.GRUCell(5), BahdanauAttention(4))
    words = np.ones((3, 2, 3), "float32")
    _, _, weights = decode(words, memory, memory_mask=mask, summary=summary)
    assert weights.shape == (3, 2, 2)
    np.testing.assert_array_equal(np.array(weights)[1:, :, 1], 0)


def test_config_survives_json():
    encoder = PyramidalEncoder(
        U, 2, 3, cell="gru", layer_norm=True, dropout=0.1, recurrent_dropout=0.2,
        summary="mean", seed=4, name="listen",
    )  # fmt: skip
    assert layer_tools.through_json(encoder).get_config() == encoder.get_config()


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"units": 0}, "`units` must be a positive integer.*units=0"),
        ({"layers": 1.5}, "`layers` must be a positive integer.*layers=1.5"),
        ({"factor": 0}, "`factor` must be a positive integer.*factor=0.*'listen'"),
        ({"dropout": 1.0}, "`dropout` is a rate in .*dropout=1.0"),
        ({"recurrent_dropout": 2}, "`recurrent_dropout` is a rate .*dropout=2"),
        ({"summary": "max"}, "`summary` must be one of 'last', 'mean'.*'max'"),
        ({"cell": "rnn"}, "`cell` must be one of 'gru', 'lstm', 'simple_rnn'.*'rnn'"),
    ],
)
def test_refuses(changed, rule):
    with pytest.raises(ValueError, match=rule):
        PyramidalEncoder(**{"units": U, "layers": 2, "name": "listen", **changed})


@pytest.mark.parametrize(
    ("features", "mask", "rule"),
    [
        (FRAMES[0], None, r"`features` must have shape \(B, S, F\).*\(7, 4\)"),
        (FRAMES, MASK[:, :3], r"`features_mask` must have shape.*\(3, 3\), features"),
        (FRAMES, MASK[:1], r"features_mask of shape \(1, 7\).*'listen'"),
    ],
)
def test_refuses_features_and_masks_that_do_not_fit(features, mask, rule):
    with pytest.raises(ValueError, match=rule):
        PyramidalEncoder(U, 2, name="listen")(features, features_mask=mask)
