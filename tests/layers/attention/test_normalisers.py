import numpy as np
import pytest
import reference_attention as reference
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from keras_attn.layers.attention.normalisers import (
    NORMALISERS,
    get_normaliser,
    masked_softmax,
    masked_sparsemax,
)

every_normaliser = pytest.mark.parametrize("name", NORMALISERS)

SCORES = st.tuples(st.integers(1, 4), st.integers(1, 7)).flatmap(
    lambda shape: st.tuples(
        np_st.arrays("float32", shape, elements=st.floats(-20, 20, width=32)),
        np_st.arrays(bool, shape),
    )
)


def by_hand(name, scores, mask):
    rows = zip(scores.astype("float64"), mask, strict=True)
    normalise = reference.NORMALISERS[name]
    return np.array([reference.over_real_tokens(normalise, *row) for row in rows])


@every_normaliser
@settings(max_examples=40, deadline=None)
@given(batch=SCORES)
def test_equals_the_paper_under_any_mask(name, batch):
    scores, mask = batch
    weights = NORMALISERS[name](scores, mask)
    np.testing.assert_allclose(weights, by_hand(name, scores, mask), atol=1e-5)
    np.testing.assert_array_equal(weights.numpy()[~mask], 0)
    np.testing.assert_allclose(np.sum(weights, axis=1), mask.any(axis=1), rtol=1e-5)


@every_normaliser
def test_without_mask_all_positions_are_real(name):
    scores = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    expected = NORMALISERS[name](scores, np.ones((3, 5), bool))
    np.testing.assert_array_equal(NORMALISERS[name](scores), expected)


@every_normaliser
def test_a_mask_broadcasts_over_heads(name):
    scores = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    mask = np.array([[True, True, False, True], [False] * 4])
    weights = NORMALISERS[name](scores, mask[:, None, :])
    for head in range(3):
        expected = NORMALISERS[name](scores[:, head], mask)
        np.testing.assert_allclose(weights[:, head], expected, rtol=1e-6)


@every_normaliser
@pytest.mark.parametrize("size", [1, 6])
def test_gradient_equals_finite_differences(name, size):
    generator = np.random.default_rng(0)
    scores = generator.normal(scale=0.7, size=(4, size))
    share = generator.normal(size=(4, size))
    mask = generator.random((4, size)) < 0.7
    mask[1] = False
    tensor = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = tf.reduce_sum(NORMALISERS[name](tensor, mask) * share)
    expected = reference.central_differences(
        lambda: np.sum(by_hand(name, scores, mask) * share), {"scores": scores}
    )
    got = tape.gradient(total, tensor)
    np.testing.assert_allclose(got, expected["scores"], rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(got.numpy()[~mask], 0)


@every_normaliser
def test_a_single_position_has_weight_one(name):
    weights = NORMALISERS[name](np.float32([[3], [-5], [7]]))
    np.testing.assert_array_equal(weights, [[1], [1], [1]])
    mask = np.array([[True], [False], [True]])
    np.testing.assert_array_equal(NORMALISERS[name](weights, mask), [[1], [0], [1]])


@every_normaliser
@pytest.mark.parametrize("big", [1e4, -1e4, 1e6, -1e6])
def test_big_scores_keep_the_digits_that_they_have(name, big):
    scores = np.float32([[big, big + 0.5, big - 0.25, -big]])
    mask = np.array([[True, True, True, False]])
    weights = NORMALISERS[name](scores, mask)
    np.testing.assert_allclose(weights, by_hand(name, scores, mask), atol=1e-6)


@every_normaliser
def test_equal_scores_share_equally(name):
    weights = NORMALISERS[name](np.full((2, 5), 3, "float32"))
    np.testing.assert_allclose(weights, np.full((2, 5), 0.2), rtol=1e-6)


@every_normaliser
@pytest.mark.parametrize("jit", [False, True])
def test_compiled_with_an_unknown_length(name, jit):
    signature = [tf.TensorSpec((None, None)), tf.TensorSpec((None, None), tf.bool)]
    compiled = tf.function(NORMALISERS[name], signature, jit_compile=jit)
    for size in (1, 4):
        scores = np.random.default_rng(0).normal(size=(2, size)).astype("float32")
        mask = np.array([[True] * size, [False] * size])
        got = compiled(scores, mask)
        np.testing.assert_allclose(got, by_hand(name, scores, mask), atol=1e-6)


def test_sparsemax_of_the_paper_in_two_dimensions():
    """Section 2.2: with scores (t, 0), max(0, min(1, (t + 1) / 2)) for the first."""
    t = np.linspace(-2, 2, 17).astype("float32")
    weights = masked_sparsemax(np.stack([t, np.zeros_like(t)], axis=1))
    np.testing.assert_allclose(weights[:, 0], np.clip((t + 1) / 2, 0, 1), atol=1e-6)


def test_sparsemax_has_exact_zeros_where_softmax_has_none():
    scores = np.float32([[2, 1.9, -1, 0]])
    assert (masked_softmax(scores).numpy() > 0).all()
    np.testing.assert_array_equal(masked_sparsemax(scores).numpy()[0, 2:], 0)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="'softmax', 'sparsemax'") as info:
        get_normaliser("entmax", "look")
    assert "normaliser='entmax' (layer 'look')" in str(info.value)
