"""Learning from a teacher against NumPy, computed from the logits of both."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn.metrics.loss import token_statistics
from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq
from keras_attn.training.loop.optimizer import make_optimizer
from keras_attn.training.loop.teacher import Teacher, make_teacher
from keras_attn.training.loop.train_step import ZERO_SUMS, TrainStep
from keras_attn.training.loop.workers import Workers
from keras_attn.training.recipes import RecipeError, TrainingOptions, load_recipe

ROWS, LENGTH, SMOOTHING, WEIGHT, MOMENTUM = 6, 5, 0.1, 0.6, 0.9
IDS = tf.TensorSpec((None, None), tf.int32)
BATCH = ({"source": IDS, "target": IDS}, IDS)
NO_DROPOUT = {"dropout": 0.0, "recurrent_dropout": 0.0, "target_word_dropout": 0.0}


def log_softmax(logits):
    logits = np.float64(logits)
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def distilled(label, logits, teacher_logits, smoothing, weight):
    """The loss of one word: both terms, word by word of the vocabulary."""
    log_p, log_q = log_softmax(teacher_logits), log_softmax(logits)
    cross_entropy, divergence = 0.0, 0.0
    for word in range(len(log_q)):
        target = smoothing / len(log_q) + (1 - smoothing) * (word == label)
        cross_entropy -= target * log_q[word]
        divergence += np.exp(log_p[word]) * (log_p[word] - log_q[word])
    return (1 - weight) * cross_entropy + weight * divergence


def batch():
    inputs, labels = tiny.copy_task(tiny.ids(ROWS, LENGTH, seed=2))
    as_int32 = {name: ids.astype("int32") for name, ids in inputs.items()}
    return as_int32, labels.astype("int32")


def model(**changed):
    rates = {"dropout": 0.4, "recurrent_dropout": 0.2, "target_word_dropout": 0.2}
    seq2seq = GuidedSeq2Seq(tiny.config(**{**rates, "seed": 7, **changed}))
    options = TrainingOptions(learning_rate=0.01, ema_momentum=MOMENTUM)
    seq2seq.compile(make_optimizer(options, steps=20))
    seq2seq.optimizer.build(seq2seq.trainable_variables)
    return seq2seq


def teacher_of(other, weight=WEIGHT):
    return Teacher(
        lambda source, target: other.score(source, target, training=False)[0],
        lambda updates: weight,
    )


def own_average(seq2seq, **changed):
    options = {"teacher_weight": WEIGHT, "ema_momentum": MOMENTUM, **changed}
    options = TrainingOptions(teacher="average", **options)
    return make_teacher(seq2seq, None, options)


def make_step(seq2seq, **options):
    return TrainStep(
        seq2seq,
        Workers(tf.distribute.get_strategy()),
        batch_spec=BATCH,
        label_smoothing=SMOOTHING,
        **options,
    )


def logits_of(rows, size, seed):
    generator = np.random.default_rng(seed)
    return (generator.normal(size=(rows, 4, size)) * 3).astype("float32")


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_loss_and_gradient_are_those_of_the_formula(smoothing, weight):
    labels = np.random.default_rng(1).integers(0, 7, (2, 4))
    logits, teacher_logits = logits_of(2, 7, seed=2), logits_of(2, 7, seed=3)
    upstream = np.random.default_rng(4).normal(size=(2, 4))
    variable = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        losses, unsmoothed, _ = token_statistics(
            labels, variable, smoothing, "float32", teacher_logits, weight
        )
        loss = tf.reduce_sum(losses * tf.cast(upstream, tf.float32))
    gradient = tape.gradient(loss, variable)

    def expected_loss(values):
        expected = [
            distilled(labels[i], values[i], teacher_logits[i], smoothing, weight)
            for i in np.ndindex(2, 4)
        ]
        return np.reshape(expected, (2, 4))

    np.testing.assert_allclose(losses, expected_loss(logits), rtol=1e-5, atol=1e-5)
    for i in np.ndindex(2, 4):
        own = -log_softmax(logits[i])[labels[i]]
        assert float(unsmoothed[i]) == pytest.approx(own, rel=1e-5)
    for i in np.ndindex(2, 4, 7):
        step = np.zeros(logits.shape)
        step[i] = 1e-5
        rise = expected_loss(logits + step) - expected_loss(logits - step)
        slope = np.sum(rise * upstream) / 2e-5
        # Central differences in float64; the gradient is float32.
        assert float(gradient[i]) == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_from_a_teacher_of_the_same_opinion_there_is_nothing_to_learn():
    labels, logits = np.zeros((2, 4), int), logits_of(2, 7, seed=2)
    variable = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        losses, _, _ = token_statistics(
            labels, variable, 0.1, teacher_logits=logits, teacher_weight=1.0
        )
    np.testing.assert_array_equal(losses, 0)
    np.testing.assert_allclose(tape.gradient(losses, variable), 0, atol=1e-7)


def test_a_teacher_of_no_weight_changes_nothing():
    labels, logits = np.zeros((2, 4), int), logits_of(2, 7, seed=2)
    others = logits_of(2, 7, seed=3)
    with_teacher = token_statistics(labels, logits, 0.1, "float32", others, 0.0)
    for one, other in zip(
        with_teacher, token_statistics(labels, logits, 0.1), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("r_drop", [None, 2.0])
def test_the_teacher_reads_without_dropout_what_the_model_reads_with(r_drop):
    inputs, labels = batch()
    seq2seq, other = model(), tiny.model(seed=5)
    step = make_step(seq2seq, r_drop=r_drop, teacher=teacher_of(other))
    loss, sums = step._training_loss(inputs, labels)
    # A model of the same seeds, so that it draws the same masks for the same rows.
    twin = model()
    twin.set_weights(seq2seq.get_weights())
    passes = 1 if r_drop is None else 2
    repeated = {name: np.concatenate([ids] * passes) for name, ids in inputs.items()}
    students = np.split(twin(repeated, training=True).numpy(), passes)
    teacher_logits = other(inputs).numpy()
    expected, unsmoothed = 0.0, 0.0
    for index in map(tuple, np.argwhere(labels)):
        word = labels[index]
        for logits in students:
            loss_here = distilled(
                word, logits[index], teacher_logits[index], SMOOTHING, WEIGHT
            )
            expected += loss_here / passes
            unsmoothed -= log_softmax(logits[index])[word] / passes
        if r_drop is not None:
            log_p, log_q = (log_softmax(logits[index]) for logits in students)
            both_ways = (np.exp(log_p) - np.exp(log_q)) @ (log_p - log_q)
            expected += r_drop / 2 * both_ways / 2
    # float32 against float64 over sums of some 20 words.
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(sums[:2], [expected, unsmoothed], rtol=1e-5)


def test_the_average_teaches_as_a_model_of_the_averaged_weights():
    inputs, labels = batch()
    seq2seq = model()
    averages = seq2seq.optimizer.averages
    generator = np.random.default_rng(3)
    for average in averages:
        average.assign(generator.normal(size=average.shape) * 0.5)
    seq2seq.optimizer.iterations.assign(4)
    step = make_step(seq2seq, teacher=own_average(seq2seq))
    count = tf.constant(float(np.count_nonzero(labels)))
    gradients, sums = step._backward([(inputs, labels)], count)
    other, twin = tiny.model(), model()
    other.set_weights([average.numpy() for average in averages])
    twin.set_weights(seq2seq.get_weights())
    after_4_batches = teacher_of(other, WEIGHT * (1 - MOMENTUM**4))
    expected, expected_sums = make_step(twin, teacher=after_4_batches)._backward(
        [(inputs, labels)], count
    )
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-6)
    for gradient, want in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, want, rtol=1e-5, atol=1e-7)
    # The model has its own weights and its own masks again.
    np.testing.assert_array_equal(seq2seq(inputs), twin(inputs))


def test_the_weight_of_the_average_rises_with_its_batches():
    seq2seq = model()
    weight = own_average(seq2seq, gradient_accumulation_steps=2).weight
    weights = [float(weight(updates)) for updates in (0, 1, 5, 1000)]
    shares = [1 - MOMENTUM ** (2 * updates) for updates in (0, 1, 5, 1000)]
    np.testing.assert_allclose(weights, np.multiply(WEIGHT, shares), rtol=1e-5)
    assert weights[0] == 0


def test_frozen_weights_are_the_teachers_too():
    inputs, _ = batch()
    seq2seq = GuidedSeq2Seq(tiny.config(seed=7))
    seq2seq.encoder.trainable = False
    options = TrainingOptions(ema_momentum=MOMENTUM)
    seq2seq.compile(make_optimizer(options, steps=20))
    seq2seq.optimizer.build(seq2seq.trainable_variables)
    teacher = own_average(seq2seq)
    for average, weight in zip(
        seq2seq.optimizer.averages, seq2seq.trainable_variables, strict=True
    ):
        average.assign(weight)
    logits = teacher.predict(inputs["source"], inputs["target"])
    np.testing.assert_array_equal(logits, seq2seq(inputs))


def test_gradients_of_parts_add_up_to_that_of_the_batch():
    inputs, labels = batch()
    seq2seq = model(**NO_DROPOUT)
    step = make_step(seq2seq, parts=4, teacher=teacher_of(tiny.model(seed=5)))
    count = tf.constant(float(np.count_nonzero(labels)))
    gradients, sums = step._backward([(inputs, labels)], count)
    parts = [step._part((inputs, labels), number) for number in range(4)]
    part_gradients, part_sums = step._backward(parts, count)
    np.testing.assert_allclose(part_sums, sums, rtol=1e-5)
    for part, whole in zip(part_gradients, gradients, strict=True):
        # The same sums of float32 in another order.
        np.testing.assert_allclose(part, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.slow  # compiles a training step
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("parts", "sampling"), [(1, 0.3), (2, None)])
def test_compiled_steps_in_mixed_precision_learn_from_the_average(parts, sampling):
    def new_model():
        seq2seq = GuidedSeq2Seq(
            tiny.config(seed=7),
            scheduled_sampling=sampling is not None,
            dtype="mixed_bfloat16",
        )
        options = TrainingOptions(learning_rate=0.01, ema_momentum=MOMENTUM)
        seq2seq.compile(make_optimizer(options, steps=20))
        seq2seq.optimizer.build(seq2seq.trainable_variables)
        return seq2seq

    seq2seq = new_model()
    step = make_step(
        seq2seq,
        parts=parts,
        sampling_probability=sampling and (lambda updates: sampling),
        teacher=own_average(seq2seq),
    )
    inputs, labels = batch()
    initial_loss, sums = None, []
    if sampling is None:
        twin = new_model()
        twin.set_weights(seq2seq.get_weights())
        initial_loss, _ = make_step(twin)._training_loss(inputs, labels)
    for _ in range(12):
        total, _ = step.train(
            (inputs, labels), tf.constant(ZERO_SUMS, "float64"), False
        )
        sums.append(total.numpy())
    assert np.isfinite(sums).all()
    assert sums[-1][1] < sums[0][1]  # cross-entropy
    if initial_loss is not None:
        # The average of no weights has no weight. 8 bits of logits in other products.
        assert sums[0][0] == pytest.approx(float(initial_loss), rel=1e-2)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["teacher_weight=0.5"], r"teacher=none, training\.teacher_weight=0\.5\. Set"),
        (["teacher=average", "ema_momentum=0.9"],
         r"teacher=average, training\.teacher_weight=none\. Set both"),
        (["teacher=average", "teacher_weight=0.5"],
         r"moving average.*ema_momentum=none\. Set for example"),
        (["teacher=average", "teacher_weight=1", "ema_momentum=0.9"],
         r"labels, so they need a weight.*teacher_weight=1\.0\. Set"),
        (["teacher=average", "teacher_weight=1.5", "ema_momentum=0.9"],
         r"at most 1, or none\. Received: training\.teacher_weight=1\.5"),
    ],
)  # fmt: skip
def test_refusals(overrides, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("demo").override([f"training.{text}" for text in overrides])
