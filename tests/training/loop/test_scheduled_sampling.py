"""Scheduled sampling against loops in NumPy, and within a training step."""

import layer_tools
import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn.metrics import MaskedCrossentropy
from keras_attn.training.loop.guided_seq2seq import (
    GuidedSeq2Seq,
    mix_predictions,
    sampling_schedule,
)
from keras_attn.training.loop.train_step import ZERO_SUMS, TrainStep
from keras_attn.training.loop.workers import Workers
from keras_attn.training.recipes import TrainingOptions

IDS, LABELS = tiny.copy_task(tiny.ids(40, 7, seed=3))
INPUTS = {name: ids.astype("int32") for name, ids in IDS.items()}
LABELS = LABELS.astype("int32")
TARGET = INPUTS["target"]
SPEC = tf.TensorSpec((None, None), tf.int32)


def mixed_by_hand(logits, draws, probability):
    mixed = TARGET.copy()
    for row, words in enumerate(LABELS):
        for position in range(1, np.count_nonzero(words)):
            predicted = np.argmax(logits[row, position - 1])
            is_word = predicted not in (tiny.PAD, tiny.START, tiny.END)
            if draws[row, position] < probability and is_word:
                mixed[row, position] = predicted
    return mixed


def make_step(model, probability, **options):
    return TrainStep(
        model,
        Workers(tf.distribute.get_strategy()),
        batch_spec=({"source": SPEC, "target": SPEC}, SPEC),
        sampling_probability=lambda updates: probability,
        **options,
    )


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_mixture_is_that_of_a_loop_over_positions(probability):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(*LABELS.shape, 13)).astype("float32")
    draws = generator.uniform(size=LABELS.shape).astype("float32")
    mixed = mix_predictions(
        tf.constant(TARGET),
        tf.constant(LABELS),
        tf.constant(logits),
        tf.constant(draws),
        probability,
        tiny.PAD,
    )
    np.testing.assert_array_equal(mixed, mixed_by_hand(logits, draws, probability))
    share = (mixed.numpy() != TARGET).sum() / (TARGET > tiny.END).sum()
    # A prediction is the given word, or no word, in some of 13 cases.
    if probability == 0:
        assert share == 0
    else:
        assert probability / 2 < share <= probability + 0.1


def test_a_step_learns_from_the_mixture_and_validation_does_not():
    model = GuidedSeq2Seq(tiny.config(), scheduled_sampling=True)
    layer_tools.randomise(model, seed=4)
    step = make_step(model, probability=1.0, label_smoothing=0.0)
    count = np.count_nonzero(LABELS)
    logits = model(INPUTS).numpy()
    mixed = {**INPUTS, "target": mixed_by_hand(logits, np.zeros(LABELS.shape), 1.0)}
    assert (mixed["target"] != TARGET).any()
    model.compile("sgd")
    loss, sums = step._training_loss(INPUTS, tf.constant(LABELS))
    expected = float(MaskedCrossentropy()(LABELS, model(mixed))) * count
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert sums.numpy()[0] == pytest.approx(expected, rel=1e-5)
    sums, _ = step.validate(
        (INPUTS, LABELS), tf.constant(ZERO_SUMS, tf.float64), tf.constant(False)
    )
    unmixed = float(MaskedCrossentropy()(LABELS, logits)) * count
    assert sums.numpy()[0] == pytest.approx(unmixed, rel=1e-5)
    assert unmixed != pytest.approx(expected, rel=1e-3)


def test_draws_follow_the_seed_and_advance():
    first = GuidedSeq2Seq(tiny.config(seed=4), scheduled_sampling=True)

    def draw(seed):
        model = GuidedSeq2Seq(tiny.config(seed=seed), scheduled_sampling=True)
        model.set_weights(first.get_weights())
        labels = tf.constant(LABELS)
        return [
            model.sample_inputs(INPUTS, labels, 0.5)["target"].numpy() for _ in range(2)
        ]

    one, again, other = draw(4), draw(4), draw(5)
    np.testing.assert_array_equal(one, again)
    assert (one[0] != one[1]).any()
    assert (one[0] != other[0]).any()
    state = first.sampling_seeds.state
    assert any(variable is state for variable in first.variables)
    assert len(first.weights) == len(GuidedSeq2Seq(tiny.config()).weights)


def test_probability_rises_with_updates_and_not_with_batches():
    options = TrainingOptions(
        scheduled_sampling=0.5,
        scheduled_sampling_epochs=2,
        epochs=9,
        gradient_accumulation_steps=4,
    )
    probability = sampling_schedule(options, steps_per_epoch=40)
    # 2 epochs of 40 batches are 20 updates.
    values = [float(probability(tf.constant(updates))) for updates in (0, 5, 20, 90)]
    np.testing.assert_allclose(values, [0.0, 0.125, 0.5, 0.5], rtol=1e-6)
    assert sampling_schedule(TrainingOptions(), steps_per_epoch=40) is None


def test_with_r_drop_in_mixed_precision_the_loss_is_near_that_of_float32():
    results = []
    for policy in ("float32", "mixed_bfloat16"):
        config = tiny.config(seed=4, dropout=0.3)
        model = GuidedSeq2Seq(config, scheduled_sampling=True, dtype=policy)
        layer_tools.randomise(model, seed=4, scale=0.1)
        model.compile("sgd")
        step = make_step(model, probability=0.5, label_smoothing=0.1, r_drop=1.0)
        tokens = tf.constant(float(np.count_nonzero(LABELS)))
        gradients, sums = step._backward([(INPUTS, tf.constant(LABELS))], tokens)
        assert all(np.any(gradient) for gradient in gradients)
        assert {gradient.dtype for gradient in gradients} == {tf.float32}
        results.append(sums.numpy())
    # bfloat16 has 8 bits, and a different prediction here and there.
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=0.05)
    assert results[0][3] == results[1][3] == np.count_nonzero(LABELS)
