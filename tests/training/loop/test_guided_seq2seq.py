"""A model in training that is told where to look, and says where it does."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn import Seq2Seq
from keras_attn.metrics import MaskedCrossentropy, guided_attention_loss
from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq


def batch(rows=6, length=5):
    inputs, labels = tiny.copy_task(tiny.ids(rows, length), backwards=True)
    links = np.zeros((rows, length, length), bool)
    for row, ids in enumerate(inputs["source"]):
        words = int((ids > tiny.END).sum())
        for target in range(words):
            links[row, target, words - 1 - target] = True
    return {**inputs, "links": links}, labels


def watched(weight, **changed):
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
    model = watched(1.0, order=order)
    inputs, _ = batch()

    def gradients():
        with tf.GradientTape() as tape:
            _, weights = model.score(inputs["source"], inputs["target"], training=True)
            loss = guided_attention_loss(weights, inputs["links"])
        return tape.gradient(loss, model.trainable_variables)

    moved = 0
    for ours, theirs in zip(tf.function(gradients)(), gradients(), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            ours, theirs = (tf.convert_to_tensor(each) for each in (ours, theirs))
            # float32, added up in another order.
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)
            moved += bool(np.abs(theirs).max() > 1e-6)
    # Encoder, decoder and align function; not readout and projection.
    assert moved >= 8


@pytest.mark.slow
def test_guided_attention_learns_where_to_look():
    history = fitted(watched(1.0), 40)
    assert history["alignment_loss"][-1] < 0.3 * history["alignment_loss"][0]
    assert history["val_alignment_loss"][-1] < 0.3 * history["val_alignment_loss"][0]
    assert history["attention_entropy"][-1] < history["attention_entropy"][0]


def test_the_loss_of_training_alone_has_the_alignment_in_it():
    model = watched(2.0)
    inputs, labels = batch()
    logits, weights = model.score(inputs["source"], inputs["target"])
    words = float(MaskedCrossentropy()(labels, logits))
    alignment = float(guided_attention_loss(weights, inputs["links"]))
    model.compile(keras.optimizers.SGD(0.0), loss=MaskedCrossentropy())
    tested = model.evaluate(inputs, labels, verbose=0, return_dict=True)
    trained = model.train_on_batch(inputs, labels, return_dict=True)
    assert tested["loss"] == pytest.approx(words, rel=1e-5)
    assert trained["loss"] == pytest.approx(words + 2 * alignment, rel=1e-5)
    assert trained["alignment_loss"] == pytest.approx(alignment, rel=1e-5)


def test_figures_are_means_over_real_target_tokens():
    model = watched(0.0)
    inputs, labels = batch()
    inputs.pop("links")
    model.compile(loss=MaskedCrossentropy())
    found = model.evaluate(inputs, labels, batch_size=4, verbose=0, return_dict=True)
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
    assert found["attention_entropy"] == pytest.approx(np.mean(entropies), rel=1e-5)
    assert found["attention_on_end"] == pytest.approx(np.mean(on_end), rel=1e-5)
    assert "alignment_loss" not in found


def test_without_attention_there_is_nothing_to_say():
    model = watched(0.0, attention=None)
    inputs, labels = batch()
    model.compile(loss=MaskedCrossentropy())
    assert set(model.evaluate(inputs, labels, verbose=0, return_dict=True)) == {"loss"}


def test_its_weights_are_those_of_a_seq2seq(tmp_path):
    model = watched(1.0)
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
