import numpy as np
import pytest

from keras_attn.layers.attention.scaled_dot_attention import ScaledDotAttention


@pytest.mark.parametrize("units", [4, 64, 1024])
def test_scores_start_equally_soft_at_every_width(units):
    generator = np.random.default_rng(0)
    query = generator.normal(size=(50, 64)).astype("float32")
    memory = generator.normal(size=(50, 20, 64)).astype("float32")
    # Projections that keep the variance, so that the product alone would grow.
    layer = ScaledDotAttention(units, kernel_initializer="lecun_normal")
    layer(query, memory)
    scores = layer.scores(query, layer.project_memory(memory), None)
    assert 0.6 < np.std(scores) < 1.5


def test_big_products_do_not_overflow_float16():
    layer = ScaledDotAttention(64, kernel_initializer="ones", dtype="mixed_float16")
    query, memory = np.ones((1, 40), "float16"), np.ones((1, 3, 40), "float16")
    # Unscaled: 64 * 40 * 40 = 102400, beyond float16's 65504.
    context, weights = layer(query, memory)
    np.testing.assert_allclose(weights, np.full((1, 3), 1 / 3), rtol=1e-5)
    assert np.isfinite(np.asarray(context, "float32")).all()


@pytest.mark.parametrize("units", [0, 2.5, None])
def test_refuses_units(units):
    with pytest.raises(ValueError, match="`units` must be a positive integer") as info:
        ScaledDotAttention(units, name="look")
    assert f"units={units!r} (layer 'look')" in str(info.value)
