import layer_tools
import numpy as np
import pytest

from keras_attn.layers.scaled_embedding import ScaledEmbedding

IDS = np.array([[2, 0], [4, 2]])


def test_rows_times_the_root_of_the_width():
    embed = ScaledEmbedding(5, 4)
    rows = embed(IDS)
    table = np.float64(embed.table)
    for place in np.ndindex(*IDS.shape):
        np.testing.assert_allclose(rows[place], 2 * table[IDS[place]], rtol=1e-6)


def test_logits_are_products_with_the_same_table():
    embed = ScaledEmbedding(5, 4)
    embed(IDS)
    features = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    logits = embed.logits(features)
    assert logits.shape == (2, 3, 5)
    for place in np.ndindex(2, 3, 5):
        want = np.float64(features[place[:2]]) @ np.float64(embed.table)[place[2]]
        np.testing.assert_allclose(logits[place], want, rtol=1e-5, atol=1e-6)


def test_numbers_start_with_variance_one():
    rows = np.float64(ScaledEmbedding(2000, 32)(np.arange(2000)))
    # 64,000 draws: the variance of a sample is off by less than 1 in 40.
    assert abs(rows.var() - 1) < 0.025


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    embed = ScaledEmbedding(5, 4, dtype=policy)
    rows = embed(IDS)
    assert embed.table.dtype == "float32"
    assert rows.dtype == embed.logits(rows).dtype == embed.compute_dtype


def test_config_survives_json():
    embed = ScaledEmbedding(5, 4, name="words")
    assert layer_tools.through_json(embed).get_config() == embed.get_config()


@pytest.mark.parametrize(
    ("sizes", "wrong"), [((0, 4), "input_dim=0"), ((5, "4"), "'4'")]
)
def test_refuses(sizes, wrong):
    with pytest.raises(ValueError, match=f"positive integer.*{wrong}"):
        ScaledEmbedding(*sizes)
