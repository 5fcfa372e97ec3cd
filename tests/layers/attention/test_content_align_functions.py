"""The align functions that look at query and memory only, against their papers."""

import functools
import itertools

import layer_tools
import numpy as np
import pytest
import reference_attention as reference
import tensorflow as tf

from keras_attn import BahdanauAttention
from keras_attn.layers.attention.concat_attention import ConcatAttention
from keras_attn.layers.attention.dot_attention import DotAttention
from keras_attn.layers.attention.general_attention import GeneralAttention
from keras_attn.layers.attention.multi_head_attention import MultiHeadDotAttention
from keras_attn.layers.attention.normed_bahdanau_attention import (
    NormedBahdanauAttention,
)
from keras_attn.layers.attention.scaled_dot_attention import ScaledDotAttention

B, S, Q, M, A = 3, 5, 4, 6, 8


def scored_by(score):
    return functools.partial(reference.attend, score)


# How to make the layer, and its transcription.
KINDS = {
    "additive": (functools.partial(BahdanauAttention, A), reference.additive),
    "additive normed": (
        functools.partial(NormedBahdanauAttention, A),
        reference.additive_normed,
    ),
    "dot": (DotAttention, reference.dot),
    "scaled dot": (functools.partial(ScaledDotAttention, A), reference.scaled_dot),
    "general": (GeneralAttention, reference.general),
    "concat": (functools.partial(ConcatAttention, A), reference.concat),
    "concat with bias": (
        functools.partial(ConcatAttention, A, use_bias=True),
        reference.concat,
    ),
    "multi-head": (functools.partial(MultiHeadDotAttention, A, num_heads=2), None),
    "multi-head of one": (
        functools.partial(MultiHeadDotAttention, A, num_heads=1),
        None,
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def make_batch(kind, dtype="float32"):
    generator = np.random.default_rng(0)
    width = M if kind == "dot" else Q
    return {
        "query": generator.normal(size=(B, width)).astype(dtype),
        "memory": generator.normal(size=(B, S, M)).astype(dtype),
        "memory_mask": np.arange(S) < np.array([[5], [3], [1]]),
    }


def make_layer(kind, batch, **options):
    layer = KINDS[kind][0](**options)
    layer(**batch)
    return layer_tools.randomise(layer)


def transcription(kind, layer):
    score = KINDS[kind][1]
    return reference.multi_head(layer.num_heads) if score is None else scored_by(score)


def close(got, want, **tolerance):
    for actual, expected in zip(got, want, strict=True):
        np.testing.assert_allclose(actual, expected, **tolerance)


@every_kind
@pytest.mark.parametrize("temperature", [1.0, 0.3, 4])
@pytest.mark.parametrize("normaliser", reference.NORMALISERS)
def test_equals_the_paper(kind, temperature, normaliser):
    batch = make_batch(kind)
    options = {"temperature": temperature, "normaliser": normaliser}
    layer = make_layer(kind, batch, **options)
    options["normalise"] = reference.NORMALISERS[options.pop("normaliser")]
    attend = transcription(kind, layer)
    want = reference.batched(attend, reference.weights_of(layer), **batch, **options)
    # float32 against float64; a low temperature multiplies the scores' error.
    close(layer(**batch), want, rtol=1e-4, atol=1e-5)


@every_kind
def test_keys_projected_once_give_the_same(kind):
    batch = make_batch(kind)
    layer = make_layer(kind, batch)
    keys = layer.project_memory(batch["memory"])
    assert keys.shape[:2] == (B, S)
    close(layer(**batch, keys=keys), layer(**batch), rtol=1e-6, atol=1e-7)


@every_kind
def test_kernels_of_one_shape_do_not_start_equal(kind):
    batch = make_batch("dot")  # query and memory equally wide
    layer = KINDS[kind][0]()
    layer(**batch)
    starts = [w.numpy() for w in layer.weights if w.name.endswith("kernel")]
    for one, other in itertools.combinations(starts, 2):
        assert one.shape != other.shape or not np.any(one == other)


@every_kind
def test_gradients_equal_finite_differences(kind):
    batch = make_batch(kind, "float64")
    layer = make_layer(kind, batch, temperature=0.7, dtype="float64")
    generator = np.random.default_rng(1)
    shares = [generator.normal(size=size) for size in ((B, M), (B, S))]

    inputs = {name: tf.constant(batch[name]) for name in ("query", "memory")}
    weights = {weight.name: weight.value for weight in layer.trainable_weights}
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        results = layer(**inputs, memory_mask=batch["memory_mask"])
        total = sum(
            tf.reduce_sum(tf.cast(result, "float64") * share)
            for result, share in zip(results, shares, strict=True)
        )
    gradients = tape.gradient(total, {**inputs, **weights})

    # The transcription is differentiated, not the layer: its weights are float32 by
    # contract, too coarse for small steps.
    attend = transcription(kind, layer)
    arrays = reference.weights_of(layer)
    places = {**arrays, "query": batch["query"], "memory": batch["memory"]}

    def total_by_hand():
        results = reference.batched(attend, arrays, **batch, temperature=0.7)
        return sum(np.sum(a * b) for a, b in zip(results, shares, strict=True))

    wanted = reference.central_differences(total_by_hand, places)
    assert gradients.keys() == wanted.keys()
    for name, want in wanted.items():
        # The float32 of the weights leaves six digits.
        np.testing.assert_allclose(
            gradients[name], want, rtol=1e-4, atol=1e-5, err_msg=name
        )


@every_kind
@pytest.mark.parametrize("normaliser", reference.NORMALISERS)
def test_masked_rows_are_zeros_and_their_gradients_finite(kind, normaliser):
    batch = make_batch(kind)
    layer = make_layer(kind, batch, normaliser=normaliser)
    batch["memory_mask"] = np.array([[1, 1, 0, 1, 0], [0] * 5, [0, 0, 0, 0, 1]], bool)
    memory = tf.constant(batch["memory"])
    with tf.GradientTape() as tape:
        tape.watch(memory)
        context, weights = layer(
            batch["query"], memory, memory_mask=batch["memory_mask"]
        )
        total = tf.reduce_sum(context) + tf.reduce_sum(weights**2)
    np.testing.assert_array_equal(weights.numpy()[~batch["memory_mask"]], 0)
    np.testing.assert_allclose(np.sum(weights, axis=1), [1, 0, 1], rtol=1e-6)
    np.testing.assert_array_equal(context[1], 0)
    gradient = tape.gradient(total, memory).numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[~batch["memory_mask"]], 0)


@every_kind
def test_row_dropout_leaves_rows_out_of_the_context(kind):
    batch = make_batch(kind)
    layer = make_layer(kind, batch, dropout=0.5, seed=0)
    keys = layer.project_memory(batch["memory"])
    dropped = layer.drop_rows(batch["memory"], training=True).numpy()
    kept = np.any(dropped != 0, axis=-1)
    assert kept.any()
    assert not kept.all()

    plain, weights = layer(**batch)
    batch["memory"] = dropped
    context, same_weights = layer(**batch, keys=keys, training=True)
    np.testing.assert_array_equal(same_weights, weights)  # those before dropout
    assert np.abs(context - plain).max() > 1e-3
    # The context is linear in the rows: those kept count twice at this rate.
    batch["memory"] = np.where(kept[:, :, None], make_batch(kind)["memory"], 0)
    half, _ = layer(**batch, keys=keys)
    np.testing.assert_allclose(context, 2 * half, rtol=1e-5, atol=1e-6)
