import json

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from keras_attn.metrics import MaskedCrossentropy
from keras_attn.metrics.loss import token_losses, token_statistics

B, T, V = 3, 4, 7
LABELS = np.array([[5, 2, 3, 1], [6, 3, 0, 0], [4, 0, 0, 0]])
LOGITS = np.random.default_rng(0).normal(scale=3, size=(B, T, V)).astype("float32")
smoothings = pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])


@smoothings
def test_is_the_mean_over_real_tokens(smoothing):
    got = MaskedCrossentropy(label_smoothing=smoothing)(LABELS, LOGITS)
    want = reference.token_losses(LABELS, LOGITS, smoothing).mean()
    assert got.shape == ()
    # float32 against float64.
    np.testing.assert_allclose(got, want, rtol=1e-5)


@smoothings
def test_each_token(smoothing):
    got = token_losses(LABELS, LOGITS, smoothing)
    want = reference.token_losses(LABELS, LOGITS, smoothing)
    np.testing.assert_allclose(got[LABELS != 0], want, rtol=1e-5)


def test_another_padding_id():
    labels = np.where(LABELS == 0, 6, np.where(LABELS == 6, 0, LABELS))
    want = reference.token_losses(labels, LOGITS, pad_id=6).mean()
    np.testing.assert_allclose(
        MaskedCrossentropy(pad_id=6)(labels, LOGITS), want, rtol=1e-5
    )


def test_what_padding_predicts_counts_for_nothing():
    wild = np.where((LABELS == 0)[:, :, None], 1e4 * LOGITS, LOGITS)
    loss = MaskedCrossentropy(label_smoothing=0.1)
    np.testing.assert_allclose(loss(LABELS, wild), loss(LABELS, LOGITS), rtol=1e-6)


@smoothings
@pytest.mark.parametrize("labels", [LABELS, 0 * LABELS], ids=["some", "all padding"])
def test_gradients_are_finite_and_leave_padding_alone(labels, smoothing):
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = MaskedCrossentropy(label_smoothing=smoothing)(labels, logits)
    gradient = tape.gradient(loss, logits).numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[labels == 0], 0)
    if not labels.any():
        assert float(loss) == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_is_computed_in_float32(dtype):
    rounded = tf.cast(LOGITS, dtype)
    got = MaskedCrossentropy(label_smoothing=0.1)(LABELS, rounded)
    want = reference.token_losses(LABELS, np.float64(tf.cast(rounded, "float64")), 0.1)
    assert got.dtype == "float32"
    np.testing.assert_allclose(got, want.mean(), rtol=1e-5)


def test_large_logits_stay_finite():
    loss = MaskedCrossentropy(label_smoothing=0.1)(LABELS, 1e4 * LOGITS)
    assert np.isfinite(loss)


def test_config_survives_json():
    loss = MaskedCrossentropy(label_smoothing=0.1, pad_id=3)
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    again = keras.losses.deserialize(config)
    assert isinstance(again, MaskedCrossentropy)
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_refuses_smoothing(smoothing):
    with pytest.raises(ValueError, match=f"share in .*label_smoothing={smoothing}"):
        MaskedCrossentropy(label_smoothing=smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_gradient_is_softmax_minus_the_smoothed_target(smoothing):
    generator = np.random.default_rng(0)
    logits = generator.normal(scale=5, size=(2, 3, 7)).astype("float32")
    logits[0, 0] = [90, -90, 0, 0, 0, 0, 0]  # some probabilities are no float32
    labels = np.array([[1, 4, 6], [0, 0, 3]])
    upstream = generator.normal(size=labels.shape).astype("float32")
    values = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(values)
        losses = token_losses(labels, values, smoothing)
        total = tf.reduce_sum(losses * upstream)
    exact = logits.astype("float64")
    p = np.exp(exact - exact.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    target = (1 - smoothing) * np.eye(7)[labels] + smoothing / 7
    np.testing.assert_allclose(
        tape.gradient(total, values), (p - target) * upstream[..., None], atol=1e-6
    )
    log_p = exact - np.log(np.exp(exact - 90).sum(axis=-1, keepdims=True)) - 90
    np.testing.assert_allclose(losses, -(target * log_p).sum(axis=-1), rtol=1e-5)


@smoothings
def test_figures_of_one_look_are_those_of_many(smoothing):
    logits = LOGITS.copy()
    logits[0, 0, LABELS[0, 0]] = LOGITS.max() + 1
    losses, plain, right = token_statistics(LABELS, logits, smoothing)
    np.testing.assert_array_equal(losses, token_losses(LABELS, logits, smoothing))
    np.testing.assert_array_equal(plain, token_losses(LABELS, logits))
    np.testing.assert_array_equal(right, logits.argmax(axis=-1) == LABELS)
    assert float(right[0, 0]) == 1


def test_nothing_flows_back_through_what_is_only_reported():
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        _, plain, right = token_statistics(LABELS, logits, 0.1)
        reported = tf.reduce_sum(plain + right)
    assert tape.gradient(reported, logits) is None
