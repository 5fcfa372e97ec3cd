"""The steps of training against Keras's own, and their sums against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn.metrics import MaskedCrossentropy
from keras_attn.training.fit import compile_seq2seq
from keras_attn.training.loop.train_step import NO_SUMS, Steps, means
from keras_attn.training.loop.workers import Workers, _members
from keras_attn.training.recipes import TrainingOptions

ROWS, LENGTH, BATCHES = 4, 7, 4


def batches():
    """Batches with another number of real tokens each."""
    found = []
    for seed in range(BATCHES):
        inputs, labels = tiny.copy_task(tiny.ids(ROWS, LENGTH, seed=seed))
        as_int32 = {name: ids.astype("int32") for name, ids in inputs.items()}
        found.append((as_int32, labels.astype("int32")))
    return found


IDS = tf.TensorSpec((None, None), tf.int32)
BATCH = ({"source": IDS, "target": IDS}, IDS)


def compiled(**options):
    options = TrainingOptions(learning_rate=0.01, schedule="constant", **options)
    model = tiny.model(seed=3)
    compile_seq2seq(model, options, steps=BATCHES)
    model.optimizer.build(model.trainable_variables)
    return model, options


@pytest.mark.slow  # compiles two training steps
def test_takes_the_steps_of_keras():
    options = {"gradient_accumulation_steps": 2, "weight_decay": 0.1}
    options["ema_momentum"] = 0.9
    theirs, _ = compiled(**options)
    for inputs, labels in batches():
        theirs.train_on_batch(inputs, labels)
    ours, made = compiled(**options)
    workers = Workers(tf.distribute.get_strategy())
    steps = Steps(ours, workers, batches=BATCH, label_smoothing=made.label_smoothing)
    for batch in batches():
        _, stop = steps.train(batch, tf.constant(NO_SUMS, tf.float64), False)
        assert not stop
    for one, other in zip(
        [*ours.weights, *ours.optimizer.variables],
        [*theirs.weights, *theirs.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("parts", [3])  # of 4 rows: the last share is padding
def test_parts_of_a_batch_change_nothing(parts):
    found = []
    for count in (1, parts):
        model, made = compiled(label_smoothing=0.1)
        workers = Workers(tf.distribute.get_strategy())
        smoothing = made.label_smoothing
        steps = Steps(
            model, workers, batches=BATCH, label_smoothing=smoothing, parts=count
        )
        sums = tf.constant(NO_SUMS, tf.float64)
        for batch in batches():
            sums, _ = steps.train(batch, sums, False)
        validated, _ = steps.validate(
            batches()[0], tf.constant(NO_SUMS, "float64"), False
        )
        found.append([sums, validated, *(each.numpy() for each in model.weights)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_sums_are_those_of_all_tokens():
    model, _ = compiled(label_smoothing=0.2)
    steps = Steps(
        model, Workers(tf.distribute.get_strategy()), batches=BATCH, label_smoothing=0.2
    )
    sums, losses, right, tokens = tf.constant(NO_SUMS, tf.float64), [], 0, 0
    for inputs, labels in batches():
        sums, stop = steps.validate((inputs, labels), sums, True)
        assert stop
        logits = np.asarray(model(inputs), "float64")
        real = labels != 0
        count = real.sum()
        loss = float(MaskedCrossentropy(0.2)(labels, logits))
        plain = float(MaskedCrossentropy()(labels, logits))
        losses.append((loss * count, plain * count))
        right += ((logits.argmax(-1) == labels) & real).sum()
        tokens += count
    loss, plain = np.sum(losses, axis=0)
    found = means(sums)
    assert found["loss"] == pytest.approx(loss / tokens, rel=1e-5)
    assert found["perplexity"] == pytest.approx(np.exp(plain / tokens), rel=1e-5)
    assert found["token_accuracy"] == pytest.approx(right / tokens)


@pytest.mark.parametrize(("rows", "replicas"), [(6, 2), (7, 3), (2, 4), (1, 3), (5, 5)])
def test_shares_are_of_one_size_and_lose_no_label(rows, replicas):
    class Many(Workers):
        replicas = 0

    Many.replicas = replicas
    steps = object.__new__(Steps)
    steps.workers, steps.pad_id = Many(tf.distribute.get_strategy()), 0
    steps.parts = 1
    labels = np.arange(1, 1 + 3 * rows, dtype="int32").reshape(rows, 3)
    links = np.ones((rows, 3, 3), bool)
    inputs = {"source": labels + 100, "target": labels + 200, "links": links}
    batch = inputs, tf.constant(labels)
    shares = [steps._share(batch, tf.constant(n)) for n in range(replicas)]
    assert len({each[1].shape for each in shares}) == 1
    found = np.concatenate([each[1].numpy() for each in shares])
    real = found.any(axis=1)
    np.testing.assert_array_equal(found[real], labels)
    for name, given in inputs.items():
        shared = np.concatenate([each[0][name].numpy() for each in shares])
        np.testing.assert_array_equal(shared[real], given)
        # No row is without a source; nothing else is there twice.
        assert (
            (shared[~real] > 0).all() if name == "source" else not shared[~real].any()
        )


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
