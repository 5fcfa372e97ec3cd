import layer_tools
import numpy as np
import pytest

from keras_attn import BahdanauAttention
from keras_attn.layers.attention.normed_bahdanau_attention import (
    NormedBahdanauAttention,
)

B, S, Q, M, A = 2, 5, 4, 6, 8


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    return {
        "query": generator.normal(size=(B, Q)).astype("float32"),
        "memory": generator.normal(size=(B, S, M)).astype("float32"),
    }


@pytest.mark.parametrize("units", [1, 8, 300])
def test_scores_start_between_minus_1_and_1(batch, units):
    layer = NormedBahdanauAttention(units, kernel_initializer="random_normal")
    batch = {name: 1e3 * value for name, value in batch.items()}
    layer(**batch)
    np.testing.assert_allclose(layer.score_scale.numpy(), np.sqrt(1 / units), rtol=1e-6)
    np.testing.assert_array_equal(layer.bias.numpy(), np.zeros(units))
    keys = layer.project_memory(batch["memory"])
    assert np.abs(layer.scores(batch["query"], keys, None)).max() <= 1 + 1e-5


def test_the_length_of_the_score_vector_is_g_alone(batch):
    layer = NormedBahdanauAttention(A)
    layer(**batch)
    layer_tools.randomise(layer)
    _, want = layer(**batch)
    layer.score_kernel.assign(1e-3 * layer.score_kernel.numpy())
    np.testing.assert_allclose(layer(**batch)[1], want, rtol=1e-5)
    layer.score_scale.assign(2 * layer.score_scale.numpy())
    assert np.abs(layer(**batch)[1] - want).max() > 1e-3


def test_with_the_length_of_v_it_is_additive_attention(batch):
    normed, plain = NormedBahdanauAttention(A), BahdanauAttention(A)
    normed(**batch)
    want = plain(**batch)
    length = np.linalg.norm(plain.score_kernel.numpy())
    normed.set_weights([*plain.get_weights(), length, np.zeros(A)])
    for actual, expected in zip(normed(**batch), want, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_a_score_vector_of_zeros_is_finite(batch):
    layer = NormedBahdanauAttention(A, score_initializer="zeros")
    _, weights = layer(**batch)
    np.testing.assert_allclose(weights, np.full((B, S), 1 / S), rtol=1e-6)
    found = layer_tools.gradients(layer, lambda: layer(**batch))
    assert all(np.isfinite(gradient).all() for gradient in found.values())


def test_its_length_survives_float16(batch):
    half = NormedBahdanauAttention(A, dtype="mixed_float16")
    full = NormedBahdanauAttention(A)
    for layer in (half, full):
        layer(**batch)
        layer_tools.randomise(layer)
        # Each square is below what float16 can hold.
        layer.score_kernel.assign(np.full((A, 1), 1e-5))
    np.testing.assert_allclose(half(**batch)[1], full(**batch)[1], rtol=0.02)
