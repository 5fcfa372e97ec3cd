import layer_batches
import layer_tools
import numpy as np
import pytest

from keras_attn import BahdanauAttention

B, S, Q, M, A = 3, 5, 4, 6, 8


@pytest.fixture
def batch():
    return layer_batches.draw(query=(B, Q), memory=(B, S, M))


@pytest.fixture
def layer(batch):
    layer = BahdanauAttention(A)
    layer(**batch)
    return layer_tools.randomise(layer)


def test_without_mask_all_rows_are_real(layer, batch):
    batch["memory_mask"] = np.ones((B, S), bool)
    want = layer(**batch)
    got = layer(batch["query"], batch["memory"])
    for actual, expected in zip(got, want, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_source_of_one_token(layer, batch):
    batch["memory"] = batch["memory"][:, :1]
    batch["memory_mask"] = np.array([[True], [False], [True]])
    context, weights = layer(**batch)
    np.testing.assert_array_equal(weights, [[1], [0], [1]])
    np.testing.assert_array_equal(context[0], batch["memory"][0, 0])
    assert all(
        np.isfinite(gradient).all()
        for gradient in layer_tools.gradients(layer, lambda: layer(**batch)).values()
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_large_scores_in_mixed_precision(batch, policy):
    layer = BahdanauAttention(A, dtype=policy)
    # Scores far beyond what float16 can exponentiate.
    layer(**batch)
    layer.score_kernel.assign(np.full((A, 1), 1000.0))
    context, weights = layer(**batch)
    assert np.isfinite(np.asarray(context, "float32")).all()
    np.testing.assert_allclose(np.sum(weights, axis=1), 1, rtol=1e-6)


def test_initializers_are_used(batch):
    layer = BahdanauAttention(A, kernel_initializer="zeros", score_initializer="ones")
    _, weights = layer(**batch)  # zeros everywhere: all rows score equally
    np.testing.assert_allclose(weights[1], [1 / 3, 1 / 3, 1 / 3, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("units", [0, -2, 2.5, "8", True, None])
def test_refuses_units(units):
    with pytest.raises(ValueError, match="`units` must be a positive integer") as info:
        BahdanauAttention(units, name="look")
    assert f"units={units!r} (layer 'look')" in str(info.value)


@pytest.mark.parametrize(
    ("changed", "shape", "rule"),
    [
        ("query", (B, 2, Q), r"`query` must have shape \(B, Q\)"),
        ("memory", (B, M), r"`memory` must have shape \(B, S, M\)"),
        ("memory_mask", (B,), r"`memory_mask` must have shape \(B, S\)"),
        ("query", (B + 1, Q), "must agree in B"),
        ("memory_mask", (B, S + 1), "must agree in S"),
        ("memory_mask", (1, S), "must agree in B"),
        ("keys", (B, A), r"`keys` must have shape \(B, S, A\)"),
        ("keys", (B, S + 1, A), "must agree in S"),
    ],
)
@pytest.mark.parametrize("built", [False, True])
def test_refuses_shapes(batch, changed, shape, rule, built):
    layer = BahdanauAttention(A)
    if built:
        layer(**batch)
    batch[changed] = np.ones(shape, bool if changed == "memory_mask" else "float32")
    with pytest.raises(ValueError, match=rule) as info:
        layer(**batch)
    assert str(shape) in str(info.value)
