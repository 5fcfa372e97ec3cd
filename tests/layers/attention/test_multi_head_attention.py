import layer_batches
import layer_tools
import numpy as np
import pytest

from keras_attn.layers.attention.multi_head_attention import MultiHeadDotAttention
from keras_attn.layers.attention.scaled_dot_attention import ScaledDotAttention

B, S, Q, M, A = 3, 5, 4, 6, 8


@pytest.fixture
def batch():
    return layer_batches.draw(query=(B, Q), memory=(B, S, M))


def test_one_head_is_scaled_dot_attention_and_two_projections(batch):
    layer, single = MultiHeadDotAttention(A, num_heads=1), ScaledDotAttention(A)
    for each in (layer, single):
        each(**batch)
    layer_tools.randomise(layer)
    single.set_weights(layer.get_weights()[:2])
    context, weights = single(**batch)
    projected = context @ layer.value_kernel.numpy() @ layer.output_kernel.numpy()
    got, looked = layer(**batch)
    np.testing.assert_allclose(looked, weights, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got, projected, rtol=1e-4, atol=1e-5)


def test_weights_are_the_mean_of_heads_that_differ(batch):
    layer = MultiHeadDotAttention(A, num_heads=4)
    layer(**batch)
    layer_tools.randomise(layer, scale=2)
    keys = layer.project_memory(batch["memory"])
    heads = layer.weigh(batch["query"], keys, batch["memory_mask"], None, None, False)
    assert heads.shape == (B, 4, S)
    assert np.std(heads, axis=1).max() > 0.1
    np.testing.assert_allclose(np.sum(heads, axis=2), 1, rtol=1e-6)
    _, weights = layer(**batch)
    np.testing.assert_allclose(weights, np.mean(heads, axis=1), rtol=1e-6)
    np.testing.assert_allclose(np.sum(weights, axis=1), 1, rtol=1e-6)


def test_refuses_units_that_the_heads_cannot_share():
    with pytest.raises(ValueError, match="divisible by `num_heads`") as info:
        MultiHeadDotAttention(10, num_heads=4, name="look")
    assert "units=10, num_heads=4 (layer 'look')" in str(info.value)


@pytest.mark.parametrize("num_heads", [0, -1, 2.0, True, None])
def test_refuses_numbers_of_heads(num_heads):
    with pytest.raises(ValueError, match="`num_heads` must be a positive") as info:
        MultiHeadDotAttention(A, num_heads=num_heads)
    assert f"num_heads={num_heads!r}" in str(info.value)
