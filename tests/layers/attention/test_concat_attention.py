import numpy as np
import pytest

from keras_attn import BahdanauAttention
from keras_attn.layers.attention.concat_attention import ConcatAttention

Q, M, A = 4, 6, 8
generator = np.random.default_rng(0)
QUERY = generator.normal(size=(2, Q)).astype("float32")
MEMORY = generator.normal(size=(2, 5, M)).astype("float32")


def test_is_additive_attention_with_one_matrix():
    concat, additive = ConcatAttention(A), BahdanauAttention(A)
    want = additive(QUERY, MEMORY)
    concat(QUERY, MEMORY)
    halves = additive.query_kernel.numpy(), additive.memory_kernel.numpy()
    concat.set_weights([np.concatenate(halves), additive.score_kernel.numpy()])
    for actual, expected in zip(concat(QUERY, MEMORY), want, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_the_matrix_starts_as_one():
    layer = ConcatAttention(A)
    layer(QUERY, MEMORY)
    assert layer.kernel.shape == (Q + M, A)
    # Glorot's bound for all Q + M inputs at once.
    assert np.abs(layer.kernel.numpy()).max() <= np.sqrt(6 / (Q + M + A))


@pytest.mark.parametrize("use_bias", [False, True])
def test_a_bias_on_request(use_bias):
    layer = ConcatAttention(A, use_bias=use_bias)
    layer(QUERY, MEMORY)
    assert len(layer.weights) == 2 + use_bias
    assert layer.get_config()["use_bias"] is use_bias


@pytest.mark.parametrize("units", [0, 2.5, None])
def test_refuses_units(units):
    with pytest.raises(ValueError, match="`units` must be a positive integer") as info:
        ConcatAttention(units, name="look")
    assert f"units={units!r} (layer 'look')" in str(info.value)
