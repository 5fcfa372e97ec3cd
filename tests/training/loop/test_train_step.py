"""The training step against Keras's own, its metric sums against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn.metrics import MaskedCrossentropy
from keras_attn.training.loop.optimizer import make_optimizer
from keras_attn.training.loop.train_step import ZERO_SUMS, TrainStep, mean_metrics
from keras_attn.training.loop.workers import Workers, _members
from keras_attn.training.recipes import TrainingOptions

ROWS, LENGTH, BATCHES = 4, 7, 4


def batches():
    """Batches that differ in their number of real tokens."""
    for seed in range(BATCHES):
        inputs, labels = tiny.copy_task(tiny.ids(ROWS, LENGTH, seed=seed))
        as_int32 = {name: ids.astype("int32") for name, ids in inputs.items()}
        yield as_int32, labels.astype("int32")


IDS = tf.TensorSpec((None, None), tf.int32)
BATCH = ({"source": IDS, "target": IDS}, IDS)


def make_step(model, label_smoothing=0.1, parts=1):
    return TrainStep(
        model,
        Workers(tf.distribute.get_strategy()),
        batch_spec=BATCH,
        label_smoothing=label_smoothing,
        parts=parts,
    )


@pytest.mark.slow  # compiles two training steps
@pytest.mark.parametrize("parts", [1, 3])
def test_takes_the_steps_of_keras(parts):
    options = TrainingOptions(
        learning_rate=0.01,
        schedule="constant",
        gradient_accumulation_steps=2,
        weight_decay=0.1,
        ema_momentum=0.9,
    )
    theirs, ours = tiny.model(seed=3), tiny.model(seed=3)
    loss = MaskedCrossentropy(options.label_smoothing)
    theirs.compile(make_optimizer(options, steps=BATCHES), loss=loss)
    ours.compile(make_optimizer(options, steps=BATCHES))
    ours.optimizer.build(ours.trainable_variables)
    step = make_step(ours, options.label_smoothing, parts)
    for batch in batches():
        theirs.train_on_batch(*batch)
        _, stop = step.train(batch, tf.constant(ZERO_SUMS, tf.float64), False)
        assert not stop
    for one, other in zip(
        [*ours.weights, *ours.optimizer.variables],
        [*theirs.weights, *theirs.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-6)


def test_parts_of_a_batch_add_up_to_it():
    step = make_step(tiny.model(seed=3), parts=3)  # of 4 rows: the last is padding
    batch = next(batches())
    tokens = step._count_tokens(batch[1])
    gradients, sums = step._backward([batch], tokens)
    parts = [step._part(batch, number) for number in range(3)]
    part_gradients, part_sums = step._backward(parts, tokens)
    np.testing.assert_allclose(part_sums, sums, rtol=1e-5)
    for part, whole in zip(part_gradients, gradients, strict=True):
        # The same sums of float32 in another order.
        np.testing.assert_allclose(part, whole, rtol=1e-4, atol=1e-6)


def test_sums_are_those_of_all_tokens():
    model = tiny.model(seed=3)
    step = make_step(model, label_smoothing=0.2)
    sums, losses, right, tokens = tf.constant(ZERO_SUMS, tf.float64), [], 0, 0
    for inputs, labels in batches():
        sums, stop = step.validate((inputs, labels), sums, True)
        assert stop
        logits = np.asarray(model(inputs), "float64")
        real = labels != 0
        count = real.sum()
        loss = float(MaskedCrossentropy(0.2)(labels, logits))
        unsmoothed = float(MaskedCrossentropy()(labels, logits))
        losses.append((loss * count, unsmoothed * count))
        right += ((logits.argmax(-1) == labels) & real).sum()
        tokens += count
    loss, unsmoothed = np.sum(losses, axis=0)
    metrics = mean_metrics(sums)
    assert metrics["loss"] == pytest.approx(loss / tokens, rel=1e-5)
    assert metrics["perplexity"] == pytest.approx(np.exp(unsmoothed / tokens), rel=1e-5)
    assert metrics["token_accuracy"] == pytest.approx(right / tokens)


@pytest.mark.parametrize(("rows", "replicas"), [(6, 2), (7, 3), (2, 4), (1, 3), (5, 5)])
def test_parts_are_of_one_size_and_lose_no_label(rows, replicas):
    class Replicas(Workers):
        replicas = 0

    Replicas.replicas = replicas
    step = object.__new__(TrainStep)
    step.workers, step.pad_id = Replicas(tf.distribute.get_strategy()), 0
    step.parts = 1
    labels = np.arange(1, 1 + 3 * rows, dtype="int32").reshape(rows, 3)
    links = np.ones((rows, 3, 3), bool)
    inputs = {"source": labels + 100, "target": labels + 200, "links": links}
    batch = inputs, tf.constant(labels)
    parts = [step._part(batch, tf.constant(n)) for n in range(replicas)]
    assert len({part_labels.shape for _, part_labels in parts}) == 1
    all_labels = np.concatenate([part_labels.numpy() for _, part_labels in parts])
    real = all_labels.any(axis=1)
    np.testing.assert_array_equal(all_labels[real], labels)
    for name, values in inputs.items():
        taken = np.concatenate([part[name].numpy() for part, _ in parts])
        np.testing.assert_array_equal(taken[real], values)
        # Every row has a source; nothing else is repeated.
        assert (taken[~real] > 0).all() if name == "source" else not taken[~real].any()


@pytest.mark.parametrize(
    ("text", "members", "index"),
    [
        ("{}", [], 0),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
         ["a:1"], 0),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, '
         '"task": {"type": "worker", "index": "1"}}', ["a:1", "b:1"], 1),
        ('{"cluster": {"worker": ["b:1", "c:1"], "chief": ["a:1"]}, '
         '"task": {"type": "worker", "index": 1}}', ["a:1", "b:1", "c:1"], 2),
        ('{"cluster": {"worker": ["b:1"], "chief": ["a:1"]}, '
         '"task": {"type": "chief", "index": 0}}', ["a:1", "b:1"], 0),
    ],
)  # fmt: skip
def test_members_of_tf_config(text, members, index):
    assert _members(text) == (members, index)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "TF_CONFIG is JSON such as"),
        ("[]", "TF_CONFIG is JSON such as"),
        ('{"cluster": {"worker": ["a:1"]}}', "TF_CONFIG is JSON such as"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
         "TF_CONFIG is JSON such as"),
        ('{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
         "workers and at most one chief"),
        ('{"cluster": {"worker": ["a:1", "a:1"]}, '
         '"task": {"type": "worker", "index": 0}}', "address of its own"),
    ],
)  # fmt: skip
def test_other_clusters_are_refused(text, rule):
    with pytest.raises(ValueError, match=rule) as refused:
        _members(text)
    assert "Received: " in str(refused.value)
