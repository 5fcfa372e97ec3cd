"""Scheduled sampling against loops in NumPy, and within a training step."""

import layer_tools
import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn.metrics import MaskedCrossentropy
from keras_attn.training.fit import compile_seq2seq
from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq
from keras_attn.training.loop.schedule import own_word_share
from keras_attn.training.loop.scheduled_sampling import mix_own_words
from keras_attn.training.loop.train_step import NO_SUMS, Steps
from keras_attn.training.loop.workers import Workers
from keras_attn.training.recipes import TrainingOptions

INPUTS, LABELS = tiny.copy_task(tiny.ids(40, 7, seed=3))
TARGET = INPUTS["target"]


def mixed_by_hand(logits, draws, share):
    found = TARGET.copy()
    for row, words in enumerate(LABELS):
        for place in range(1, np.count_nonzero(words)):
            own = np.argmax(logits[row, place - 1])
            if draws[row, place] < share and own not in (
                tiny.PAD,
                tiny.START,
                tiny.END,
            ):
                found[row, place] = own
    return found


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_mixture_is_that_of_a_loop_over_places(share):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(*LABELS.shape, 13)).astype("float32")
    draws = generator.uniform(size=LABELS.shape).astype("float32")
    found = mix_own_words(
        tf.constant(TARGET, tf.int32),
        tf.constant(LABELS, tf.int32),
        tf.constant(logits),
        tf.constant(draws),
        share,
        tiny.PAD,
    )
    np.testing.assert_array_equal(found, mixed_by_hand(logits, draws, share))
    changed = (found.numpy() != TARGET).sum() / (TARGET > tiny.END).sum()
    # A predicted word is the given one, or none to be read, in some of 13 cases.
    assert changed == 0 if share == 0 else share / 2 < changed <= share + 0.1


def test_a_step_learns_from_the_mixture_and_validation_does_not():
    model = GuidedSeq2Seq(tiny.config(), reads_own_words=True)
    layer_tools.randomise(model, seed=4)
    spec = tf.TensorSpec((None, None), tf.int32)
    steps = Steps(
        model,
        Workers(tf.distribute.get_strategy()),
        batches=({"source": spec, "target": spec}, spec),
        label_smoothing=0.0,
        own_words=lambda updates: 1.0,
    )
    inputs = {name: tf.constant(ids, tf.int32) for name, ids in INPUTS.items()}
    labels, count = tf.constant(LABELS, tf.int32), np.count_nonzero(LABELS)
    logits = model(inputs).numpy()
    certain = np.zeros(LABELS.shape)
    mixed = {**inputs, "target": mixed_by_hand(logits, certain, 1.0)}
    assert (mixed["target"] != TARGET).any()
    model.compile("sgd")
    loss, found = steps._training_losses(inputs, labels)
    want = float(MaskedCrossentropy()(LABELS, model(mixed))) * count
    assert float(loss) == pytest.approx(want, rel=1e-5)
    assert found.numpy()[0] == pytest.approx(want, rel=1e-5)
    sums, _ = steps.validate(
        (inputs, labels), tf.constant(NO_SUMS, tf.float64), tf.constant(False)
    )
    plain = float(MaskedCrossentropy()(LABELS, logits)) * count
    assert sums.numpy()[0] == pytest.approx(plain, rel=1e-5)
    assert plain != pytest.approx(want, rel=1e-3)


def test_draws_are_of_the_seed_and_go_on():
    inputs = {name: tf.constant(ids, tf.int32) for name, ids in INPUTS.items()}

    def drawn(seed):
        model = GuidedSeq2Seq(tiny.config(seed=seed), reads_own_words=True)
        model.set_weights(first.get_weights())
        return [
            model.with_own_words(inputs, tf.constant(LABELS), 0.5)["target"].numpy()
            for _ in range(2)
        ]

    first = GuidedSeq2Seq(tiny.config(seed=4), reads_own_words=True)
    one, again, other = drawn(4), drawn(4), drawn(5)
    np.testing.assert_array_equal(one, again)
    assert (one[0] != one[1]).any()
    assert (one[0] != other[0]).any()
    state = first.own_word_seeds.state
    assert any(each is state for each in first.variables)
    assert len(first.weights) == len(GuidedSeq2Seq(tiny.config()).weights)


def test_share_rises_with_updates_and_not_with_batches():
    options = TrainingOptions(
        scheduled_sampling=0.5,
        scheduled_sampling_epochs=2,
        epochs=9,
        gradient_accumulation_steps=4,
    )
    share = own_word_share(options, steps_per_epoch=40)
    # 2 epochs of 40 batches are 20 updates.
    found = [float(share(tf.constant(updates))) for updates in (0, 5, 20, 90)]
    np.testing.assert_allclose(found, [0.0, 0.125, 0.5, 0.5], rtol=1e-6)
    assert own_word_share(TrainingOptions(), steps_per_epoch=40) is None


def test_both_in_mixed_precision_are_near_those_of_float32():
    """With R-Drop and accumulated gradients, in the compiled step of a training."""
    spec = tf.TensorSpec((None, None), tf.int32)
    batch = (
        {name: tf.constant(ids, tf.int32) for name, ids in INPUTS.items()},
        tf.constant(LABELS, tf.int32),
    )
    found = []
    for policy in ("float32", "mixed_bfloat16"):
        model = GuidedSeq2Seq(
            tiny.config(seed=4, dropout=0.3), reads_own_words=True, dtype=policy
        )
        options = TrainingOptions(r_drop=1.0, gradient_accumulation_steps=2)
        compile_seq2seq(model, options, steps=4)
        layer_tools.randomise(model, seed=4, scale=0.1)
        before = model.get_weights()
        model.optimizer.build(model.trainable_variables)
        steps = Steps(
            model,
            Workers(tf.distribute.get_strategy()),
            batches=({"source": spec, "target": spec}, spec),
            label_smoothing=0.1,
            r_drop=options.r_drop,
            own_words=lambda updates: 0.5,
        )
        sums = tf.constant(NO_SUMS, tf.float64)
        for _ in range(2):
            sums, _ = steps.train(batch, sums, tf.constant(False))
        found.append(sums.numpy())
        moved = zip(model.get_weights(), before, strict=True)
        assert all((now != old).any() for now, old in moved)
    # bfloat16 has 8 bits, and another first word here and there.
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=0.05)
    assert found[0][3] == 2 * np.count_nonzero(LABELS)
