"""R-Drop against NumPy, on the logits that both passes had."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn.metrics import symmetric_divergence
from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq
from keras_attn.training.loop.train_step import Steps
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
    found = symmetric_divergence(first, second)
    for place in np.ndindex(3, 4):
        p, q = log_softmax(first[place]), log_softmax(second[place])
        want = 0.5 * (divergence(p, q) + divergence(q, p))
        assert float(found[place]) == pytest.approx(want, rel=1e-5)
    np.testing.assert_array_equal(symmetric_divergence(first, first), 0)
    # No overflow where one is sure of what the other excludes.
    sure = symmetric_divergence([[0.0, -200.0]], [[-200.0, 0.0]])
    np.testing.assert_allclose(sure, [200.0], rtol=1e-5)


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


def steps_of(seq2seq, **options):
    return Steps(
        seq2seq,
        Workers(tf.distribute.get_strategy()),
        batches=BATCH,
        label_smoothing=SMOOTHING,
        **options,
    )


def test_loss_is_that_of_two_passes_and_their_divergence():
    inputs, labels = batch()
    seq2seq = model()
    found, sums = steps_of(seq2seq, r_drop=WEIGHT)._training_losses(inputs, labels)
    # A model of the same seeds, so that it draws the same masks for the same rows.
    twin = model()
    twin.set_weights(seq2seq.get_weights())
    twice = {name: np.concatenate([each, each]) for name, each in inputs.items()}
    first, second = np.split(twin(twice, training=True).numpy(), 2)
    guided = float(sum(twin.losses))  # the mean over both passes
    entropy, plain, apart, count = 0.0, 0.0, 0.0, 0
    for row, place in np.argwhere(labels):
        p, q = log_softmax(first[row, place]), log_softmax(second[row, place])
        assert (p != q).any()
        word = labels[row, place]
        for each in (p, q):
            plain -= each[word] / 2
            smoothed = (1 - SMOOTHING) * each[word] + SMOOTHING * each.mean()
            entropy -= smoothed / 2
        apart += 0.5 * (divergence(p, q) + divergence(q, p))
        count += 1
    want = entropy + WEIGHT / 2 * apart + guided * count
    # float32 against float64 over sums of some 20 words.
    assert float(found) == pytest.approx(want, rel=1e-5)
    np.testing.assert_allclose(sums[0], want, rtol=1e-5)
    np.testing.assert_allclose(sums[1], plain, rtol=1e-5)
    assert sums[3] == count


def test_where_nothing_is_dropped_two_passes_are_one():
    inputs, labels = batch()
    calm = {"dropout": 0.0, "recurrent_dropout": 0.0, "target_word_dropout": 0.0}
    seq2seq = model(**calm)
    count = tf.constant(float(np.count_nonzero(labels)))
    gradients, sums = steps_of(seq2seq, r_drop=WEIGHT)._backward(
        [(inputs, labels)], count
    )
    wanted, wanted_sums = steps_of(seq2seq)._backward([(inputs, labels)], count)
    np.testing.assert_allclose(sums, wanted_sums, rtol=1e-5)
    for found, want in zip(gradients, wanted, strict=True):
        # The same sums of float32 in another order.
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-6)


def test_shares_of_a_batch_add_up_to_it():
    """What two replicas find, each with its rows and the tokens of both."""
    inputs, labels = batch()
    seq2seq = model(dropout=0.0, recurrent_dropout=0.0, target_word_dropout=0.0)
    seq2seq.alignment_weight = 0.0  # a mean over linked tokens, not over tokens
    steps = steps_of(seq2seq, r_drop=WEIGHT)
    count = tf.constant(float(np.count_nonzero(labels)))
    whole, sums = steps._backward([(inputs, labels)], count)
    halves = [
        steps._backward(
            [({name: each[rows] for name, each in inputs.items()}, labels[rows])], count
        )
        for rows in (slice(0, 2), slice(2, ROWS))
    ]
    np.testing.assert_allclose(sum(half[1] for half in halves), sums, rtol=1e-5)
    for want, *parts in zip(whole, *(half[0] for half in halves), strict=True):
        np.testing.assert_allclose(sum(parts), want, rtol=1e-4, atol=1e-6)


def test_a_model_without_dropout_is_refused():
    recipe = load_recipe("demo")
    with pytest.raises(RecipeError, match=r"differ in their dropout.*r_drop=2\.0"):
        recipe.override(["training.r_drop=2", "model.dropout=0"])
    for rate in ("dropout", "attention_dropout", "source_word_dropout"):
        made = recipe.override(["training.r_drop=2", f"model.{rate}=0.1"])
        assert made.training.r_drop == 2
    with pytest.raises(RecipeError, match="must have some"):
        recipe.override(
            ["training.r_drop=2", "model.attention_dropout=0.1", "model.attention=none"]
        )
