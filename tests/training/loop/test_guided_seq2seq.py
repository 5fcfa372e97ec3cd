"""The model in training: attention is measured, and guided by alignments."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn import Seq2Seq
from keras_attn.metrics import MaskedCrossentropy, guided_attention_loss
from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq
from keras_attn.training.loop.train_step import TrainStep
from keras_attn.training.loop.workers import Workers


def batch(rows=6, length=5):
    inputs, labels = tiny.copy_task(tiny.ids(rows, length), backwards=True)
    links = np.zeros((rows, length, length), bool)
    for row, ids in enumerate(inputs["source"]):
        words = int((ids > tiny.END).sum())
        for target in range(words):
            links[row, target, words - 1 - target] = True
    return {**inputs, "links": links}, labels


def guided(weight, **changed):
    return GuidedSeq2Seq(tiny.config(seed=1, **changed), alignment_weight=weight)


def fitted(model, epochs):
    inputs, labels = batch()
    model.compile(keras.optimizers.Adam(0.02), loss=MaskedCrossentropy())
    return model.fit(
        inputs,
        labels,
        epochs=epochs,
        batch_size=6,
        shuffle=False,
        validation_data=(inputs, labels),
        verbose=0,
    ).history


@pytest.mark.parametrize(
    "order",
    ["bahdanau", pytest.param("conditional", marks=pytest.mark.slow)],
)
def test_the_gradient_through_attention_is_tensorflows_own(order):
    """In a graph, training has a gradient of ours; out of it, TensorFlow's."""
    model = guided(1.0, order=order)
    inputs, _ = batch()

    def gradients():
        with tf.GradientTape() as tape:
            _, weights = model.score(inputs["source"], inputs["target"], training=True)
            loss = guided_attention_loss(weights, inputs["links"])
        return tape.gradient(loss, model.trainable_variables)

    nonzero = 0
    for ours, theirs in zip(tf.function(gradients)(), gradients(), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            ours, theirs = map(tf.convert_to_tensor, (ours, theirs))
            # float32, added up in another order.
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)
            nonzero += bool(np.abs(theirs).max() > 1e-6)
    # Encoder, decoder and align function; not readout and projection.
    assert nonzero >= 8


@pytest.mark.slow
def test_guided_attention_learns_where_to_look():
    history = fitted(guided(1.0), 40)
    assert history["alignment_loss"][-1] < 0.3 * history["alignment_loss"][0]
    assert history["val_alignment_loss"][-1] < 0.3 * history["val_alignment_loss"][0]
    assert history["attention_entropy"][-1] < history["attention_entropy"][0]


def test_the_training_loss_alone_includes_the_alignment_loss():
    model = guided(2.0)
    inputs, labels = batch()
    logits, weights = model.score(inputs["source"], inputs["target"])
    words = float(MaskedCrossentropy()(labels, logits))
    alignment = float(guided_attention_loss(weights, inputs["links"]))
    step = TrainStep(
        model,
        Workers(tf.distribute.get_strategy()),
        batch_spec=tf.TensorSpec(None),  # of the compiled functions, which are not used
        label_smoothing=0.0,
    )
    tokens = np.count_nonzero(labels)
    validation_loss, _, _ = step._loss(inputs, labels, training=False)
    assert float(validation_loss) / tokens == pytest.approx(words, rel=1e-5)
    training_loss, sums, _ = step._loss(inputs, labels, training=True)
    expected = words + 2 * alignment
    assert float(training_loss) / tokens == pytest.approx(expected, rel=1e-5)
    assert float(sums[0]) / tokens == pytest.approx(expected, rel=1e-5)
    metric = model.attention_metrics["alignment_loss"]
    assert float(metric.result()) == pytest.approx(alignment, rel=1e-5)


def test_metrics_are_means_over_real_target_tokens():
    model = guided(0.0)
    inputs, _ = batch()
    for rows in (slice(0, 4), slice(4, None)):
        model({name: inputs[name][rows] for name in ("source", "target")})
    _, weights = model.score(inputs["source"], inputs["target"])
    entropies, on_end = [], []
    for rows, source, target in zip(
        np.asarray(weights), inputs["source"], inputs["target"], strict=True
    ):
        end = int(np.argmax(source == tiny.END))
        for row, word in zip(rows, target, strict=True):
            if word != tiny.PAD:
                entropies.append(-sum(w * np.log(w) for w in row if w > 0))
                on_end.append(row[end])
    metrics = {n: float(m.result()) for n, m in model.attention_metrics.items()}
    assert metrics.keys() == {"attention_entropy", "attention_on_end"}
    assert metrics["attention_entropy"] == pytest.approx(np.mean(entropies), rel=1e-5)
    assert metrics["attention_on_end"] == pytest.approx(np.mean(on_end), rel=1e-5)


def test_without_attention_there_are_no_metrics():
    model = guided(0.0, attention=None)
    inputs, _ = batch()
    model(inputs)
    assert model.attention_metrics == {}


def test_its_weights_are_those_of_a_seq2seq(tmp_path):
    model = guided(1.0)
    model.save_weights(tmp_path / "some.weights.h5")
    plain = Seq2Seq(model.config)
    plain.load_weights(tmp_path / "some.weights.h5")
    assert plain.count_params() == model.count_params()
    inputs, _ = batch()
    np.testing.assert_array_equal(plain(inputs), model(inputs))


@pytest.mark.slow  # one more training step to compile
def test_mixed_precision_is_guided_too():
    model = GuidedSeq2Seq(
        tiny.config(seed=1), alignment_weight=1.0, dtype="mixed_bfloat16"
    )
    history = fitted(model, 15)
    assert np.isfinite(history["loss"]).all()
    assert history["alignment_loss"][-1] < history["alignment_loss"][0]
