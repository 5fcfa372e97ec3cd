"""R-Drop against NumPy, computed from the logits of both passes."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn.metrics import symmetric_divergence
from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq
from keras_attn.training.loop.train_step import TrainStep
from keras_attn.training.loop.workers import Workers
from keras_attn.training.recipes import RecipeError, load_recipe

ROWS, LENGTH, SMOOTHING, WEIGHT, GUIDANCE = 6, 5, 0.1, 3.0, 0.7
IDS = tf.TensorSpec((None, None), tf.int32)
LINKS = tf.TensorSpec((None, None, None), tf.bool)
BATCH = ({"source": IDS, "target": IDS, "links": LINKS}, IDS)


def log_softmax(logits):
    logits = np.float64(logits)
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def divergence(one, other):
    """KL(p || q), word by word, from log p and log q."""
    return sum(np.exp(p) * (p - q) for p, q in zip(one, other, strict=True))


def test_divergence_is_the_mean_of_both_directions():
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 3, 4, 5)).astype("float32") * 3
    divergences = symmetric_divergence(first, second)
    for index in np.ndindex(3, 4):
        p, q = log_softmax(first[index]), log_softmax(second[index])
        expected = 0.5 * (divergence(p, q) + divergence(q, p))
        assert float(divergences[index]) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(symmetric_divergence(first, first), 0)
    # No overflow where one is certain of what the other excludes.
    certain = symmetric_divergence([[0.0, -200.0]], [[-200.0, 0.0]])
    np.testing.assert_allclose(certain, [200.0], rtol=1e-5)


def batch():
    inputs, labels = tiny.copy_task(tiny.ids(ROWS, LENGTH, seed=2))
    links = np.repeat(np.eye(LENGTH, dtype=bool)[np.newaxis], ROWS, axis=0)
    links &= (inputs["source"] > tiny.END)[:, np.newaxis, :]
    as_int32 = {name: ids.astype("int32") for name, ids in inputs.items()}
    return {**as_int32, "links": links}, labels.astype("int32")


def model(**changed):
    rates = {"dropout": 0.4, "recurrent_dropout": 0.2, "target_word_dropout": 0.2}
    config = tiny.config(**{**rates, "seed": 7, **changed})
    return GuidedSeq2Seq(config, alignment_weight=GUIDANCE)


def make_step(seq2seq, **options):
    return TrainStep(
        seq2seq,
        Workers(tf.distribute.get_strategy()),
        batch_spec=BATCH,
        label_smoothing=SMOOTHING,
        **options,
    )


def test_loss_is_that_of_two_passes_and_their_divergence():
    inputs, labels = batch()
    seq2seq = model()
    loss, sums = make_step(seq2seq, r_drop=WEIGHT)._training_loss(inputs, labels)
    # A model of the same seeds, so that it draws the same masks for the same rows.
    twin = model()
    twin.set_weights(seq2seq.get_weights())
    twice = {name: np.concatenate([ids, ids]) for name, ids in inputs.items()}
    first, second = np.split(twin(twice, training=True).numpy(), 2)
    guided = float(sum(twin.losses))  # the mean over both passes
    smoothed, unsmoothed, divergences, count = 0.0, 0.0, 0.0, 0
    for row, position in np.argwhere(labels):
        p = log_softmax(first[row, position])
        q = log_softmax(second[row, position])
        assert (p != q).any()
        word = labels[row, position]
        for log_p in (p, q):
            unsmoothed -= log_p[word] / 2
            spread = (1 - SMOOTHING) * log_p[word] + SMOOTHING * log_p.mean()
            smoothed -= spread / 2
        divergences += 0.5 * (divergence(p, q) + divergence(q, p))
        count += 1
    expected = smoothed + WEIGHT / 2 * divergences + guided * count
    # float32 against float64 over sums of some 20 words.
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(sums[0], expected, rtol=1e-5)
    np.testing.assert_allclose(sums[1], unsmoothed, rtol=1e-5)
    assert sums[3] == count


def test_without_dropout_two_passes_are_one():
    inputs, labels = batch()
    no_dropout = {"dropout": 0.0, "recurrent_dropout": 0.0, "target_word_dropout": 0.0}
    seq2seq = model(**no_dropout)
    count = tf.constant(float(np.count_nonzero(labels)))
    gradients, sums = make_step(seq2seq, r_drop=WEIGHT)._backward(
        [(inputs, labels)], count
    )
    expected, expected_sums = make_step(seq2seq)._backward([(inputs, labels)], count)
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-5)
    for gradient, want in zip(gradients, expected, strict=True):
        # The same sums of float32 in another order.
        np.testing.assert_allclose(gradient, want, rtol=1e-4, atol=1e-6)


def test_gradients_of_replicas_add_up_to_that_of_the_batch():
    """Each replica has its rows, and the number of tokens of both."""
    inputs, labels = batch()
    seq2seq = model(dropout=0.0, recurrent_dropout=0.0, target_word_dropout=0.0)
    seq2seq.alignment_weight = 0.0  # a mean over linked tokens, not over tokens
    step = make_step(seq2seq, r_drop=WEIGHT)
    count = tf.constant(float(np.count_nonzero(labels)))
    gradients, sums = step._backward([(inputs, labels)], count)
    halves = [
        step._backward(
            [({name: ids[rows] for name, ids in inputs.items()}, labels[rows])], count
        )
        for rows in (slice(0, 2), slice(2, ROWS))
    ]
    np.testing.assert_allclose(sum(half[1] for half in halves), sums, rtol=1e-5)
    for want, *parts in zip(gradients, *(half[0] for half in halves), strict=True):
        np.testing.assert_allclose(sum(parts), want, rtol=1e-4, atol=1e-6)


def test_a_model_without_dropout_is_refused():
    recipe = load_recipe("demo")
    with pytest.raises(RecipeError, match=r"different dropout masks.*r_drop=2\.0"):
        recipe.override(["training.r_drop=2", "model.dropout=0"])
    for rate in ("dropout", "attention_dropout", "source_word_dropout"):
        changed = recipe.override(["training.r_drop=2", f"model.{rate}=0.1"])
        assert changed.training.r_drop == 2
    with pytest.raises(RecipeError, match="must have dropout"):
        recipe.override(
            ["training.r_drop=2", "model.attention_dropout=0.1", "model.attention=none"]
        )
