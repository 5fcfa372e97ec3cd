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


@pytest.mark.parametrize(
    ("cell", "layers", "factor"),
    [("lstm", 1, 2), ("gru", 2, 2), ("simple_rnn", 3, 3), ("gru", 2, 1)],
)
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


def test_without_a_mask_all_is_real():
    encoder = make_encoder()
    got = encoder(FRAMES)
    want = encoder(FRAMES, features_mask=np.ones_like(MASK))
    for actual, expected in zip(got[:2], want[:2], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(got[2], np.ones((3, 2), bool))


@pytest.mark.parametrize("frames", [None, S])
def test_symbolic_shapes(frames):
    features = keras.Input((frames, F))
    mask = keras.Input((frames,), dtype="bool")
    outputs = PyramidalEncoder(U, 3)(features, features_mask=mask)
    length = frames and 2
    assert [output.shape for output in outputs] == [
        (None, length, 2 * U),
        (None, 2 * U),
        (None, length),
    ]


def test_one_graph_serves_all_lengths():
    encoder = make_encoder()
    signature = tf.TensorSpec((None, None, F))
    graph = tf.function(encoder, input_signature=[signature])
    for length in range(1, S + 1):
        want = encoder(FRAMES[:, :length])
        for actual, expected in zip(graph(FRAMES[:, :length]), want, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_dropout_only_in_training_and_not_of_the_features():
    encoder = make_encoder(dropout=0.5, recurrent_dropout=0.5, seed=3)
    plain = [encoder(FRAMES)[0].numpy() for _ in range(2)]
    np.testing.assert_array_equal(*plain)
    wild = [encoder(FRAMES, training=True)[0].numpy() for _ in range(2)]
    assert (wild[0] != wild[1]).any()
    # With one layer, what is dropped is the memory, which is else what it was.
    flat = make_encoder(layers=1, dropout=0.5)
    plain, wild = (flat(FRAMES, training=each)[0].numpy() for each in (False, True))
    kept = wild != 0
    assert 0.2 < kept.mean() < 0.8
    np.testing.assert_allclose(wild[kept], 2 * plain[kept], rtol=1e-6)


def test_feeds_a_decoder():
    encoder = make_encoder()
    memory, summary, mask = encoder(FRAMES, features_mask=MASK)
    decode = AttentionDecoder(keras.layers.GRUCell(5), BahdanauAttention(4))
    words = np.ones((3, 2, 3), "float32")
    _, _, weights = decode(words, memory, memory_mask=mask, summary=summary)
    assert weights.shape == (3, 2, 2)
    np.testing.assert_array_equal(np.array(weights)[1:, :, 1], 0)


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
        (FRAMES, MASK[:, :3], r"`features_mask` \(B, S\) must agree in S.*\(3, 3\)"),
        (FRAMES, MASK[:1], r"features_mask of shape \(1, 7\).*'listen'"),
    ],
)
def test_refuses_features_and_masks_that_do_not_fit(features, mask, rule):
    with pytest.raises(ValueError, match=rule):
        PyramidalEncoder(U, 2, name="listen")(features, features_mask=mask)
