"""The aligner, beside its formula read literally."""

import keras
import layer_tools
import numpy as np
import pytest
import tiny

from keras_attn.layers import Aligner
from keras_attn.layers.aligner import check_aligner, translator_digest

SOURCE_LENGTHS, TARGET_LENGTHS = [5, 3, 1], [4, 2, 3]
B, S, T, E, X, M, D = 3, 5, 4, 2, 3, 6, 8


def inputs(seed=0):
    """Three pairs of these lengths, with arbitrary values at padding."""
    generator = np.random.default_rng(seed)
    arrays = {
        "target_embeddings": generator.normal(size=(B, T, E)),
        "source_embeddings": generator.normal(size=(B, S, X)),
        "memory": generator.normal(size=(B, S, M)),
        "attention": generator.uniform(size=(B, T, S)),
    }
    arrays["attention"] /= arrays["attention"].sum(axis=-1, keepdims=True)
    return {
        **{name: array.astype("float32") for name, array in arrays.items()},
        "target_mask": np.arange(T) < np.array(TARGET_LENGTHS)[:, None],
        "source_mask": np.arange(S) < np.array(SOURCE_LENGTHS)[:, None],
    }


def layer(**options):
    aligner = Aligner(D, **options)
    aligner(**inputs())
    return layer_tools.randomise(aligner)


def call(aligner, arrays):
    return keras.ops.convert_to_numpy(aligner(**arrays))


def formula(weights, y, x, h, a):
    """Log p `(T, 1 + S)` of one pair without padding, position by position."""
    (q_0, k_0), (u, u_next), v, key, key_bias, query, query_bias = weights
    targets, sources = a.shape
    keys = [np.tanh(np.append(h[j], x[j]) @ key + key_bias) for j in range(sources)]
    zeros, root = np.zeros(y.shape[1]), np.sqrt(len(k_0))
    queries, e = [], np.zeros((targets, sources))
    for t in range(targets):
        before = y[t - 1] if t > 0 else zeros
        after = y[t + 1] if t + 1 < targets else zeros
        read = np.concatenate([before, y[t], after])
        queries.append(np.tanh(read @ query + query_bias))
        for j in range(sources):
            next_attention = a[t + 1, j] if t + 1 < targets else 0.0
            e[t, j] = queries[t] @ keys[j] / root + u * np.log(a[t, j] + 1e-6)
            e[t, j] += u_next * np.log(next_attention + 1e-6)
    log_p = np.zeros((targets, 1 + sources))
    for t in range(targets):
        log_p[t, 0] = queries[t] @ k_0 / root
        for j in range(sources):
            total = np.exp(keys[j] @ q_0 / root) + np.exp(e[:, j]).sum()
            log_p[t, 1 + j] = e[t, j] + v * (e[t, j] - np.log(total))
        log_p[t] -= np.log(np.exp(log_p[t]).sum())
    return log_p


def test_equals_the_formula():
    aligner, arrays = layer(), inputs()
    weights = [np.float64(weight) for weight in aligner.get_weights()]
    log_p = keras.ops.convert_to_numpy(aligner.log_probabilities(**arrays))
    alignment = call(aligner, arrays)
    for row, (targets, sources) in enumerate(
        zip(TARGET_LENGTHS, SOURCE_LENGTHS, strict=True)
    ):
        expected = formula(
            weights,
            np.float64(arrays["target_embeddings"][row, :targets]),
            np.float64(arrays["source_embeddings"][row, :sources]),
            np.float64(arrays["memory"][row, :sources]),
            np.float64(arrays["attention"][row, :targets, :sources]),
        )
        np.testing.assert_allclose(
            log_p[row, :targets, : 1 + sources], expected, rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(
            alignment[row, :targets, :sources], np.exp(expected[:, 1:]), atol=1e-5
        )


def test_padding_gets_nothing_and_changes_nothing():
    aligner, arrays = layer(), inputs()
    batch = call(aligner, arrays)
    for row, (targets, sources) in enumerate(
        zip(TARGET_LENGTHS, SOURCE_LENGTHS, strict=True)
    ):
        assert not batch[row, targets:].any()
        assert not batch[row, :, sources:].any()
        alone = {
            name: array[row : row + 1, : targets if name.startswith("target") else None]
            for name, array in arrays.items()
        }
        alone["attention"] = arrays["attention"][row : row + 1, :targets, :sources]
        for name in ("source_embeddings", "memory", "source_mask"):
            alone[name] = alone[name][:, :sources]
        for masks in (alone["target_mask"], None), (None, alone["source_mask"]):
            names = ("target_mask", "source_mask")
            masked = {**alone, **dict(zip(names, masks, strict=True))}
            [weights] = call(aligner, masked)
            np.testing.assert_allclose(
                weights, batch[row, :targets, :sources], atol=1e-6
            )


def test_a_row_sums_to_one_with_no_source():
    aligner, arrays = layer(), inputs()
    log_p = keras.ops.convert_to_numpy(aligner.log_probabilities(**arrays))
    np.testing.assert_allclose(np.exp(log_p).sum(axis=-1), 1, rtol=1e-5)
    arrays["source_mask"][1] = False
    log_p = keras.ops.convert_to_numpy(aligner.log_probabilities(**arrays))
    np.testing.assert_allclose(log_p[1, :, 0], 0, atol=1e-6)
    assert not call(aligner, arrays)[1].any()


@pytest.mark.parametrize("axis", ["B", "S", "T"])
def test_an_axis_may_be_empty(axis):
    axes = {
        "target_embeddings": "BTE",
        "source_embeddings": "BSX",
        "memory": "BSM",
        "attention": "BTS",
        "target_mask": "BT",
        "source_mask": "BS",
    }
    arrays = {
        name: array[tuple(slice(0 if a == axis else None) for a in axes[name])]
        for name, array in inputs().items()
    }
    sizes = {"B": B, "T": T, "S": S, axis: 0}
    assert call(layer(), arrays).shape == tuple(sizes.values())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16"])
def test_half_precision_gives_nearly_the_same(dtype):
    full, half = layer(), layer(dtype=dtype)
    half.set_weights(full.get_weights())
    weights = call(half, inputs())
    assert weights.dtype == "float32"
    np.testing.assert_allclose(weights, call(full, inputs()), atol=0.06)


def test_a_saved_aligner_is_the_same(tmp_path):
    aligner, arrays = layer(trained_for="abc"), inputs()
    symbols = {
        name: keras.Input(array.shape[1:], dtype=array.dtype.name, name=name)
        for name, array in arrays.items()
    }
    keras.Model(symbols, aligner(**symbols)).save(tmp_path / "aligner.keras")
    restored = keras.saving.load_model(tmp_path / "aligner.keras")
    np.testing.assert_allclose(
        restored.predict(arrays), call(aligner, arrays), rtol=1e-5
    )
    [copy] = [part for part in restored.layers if isinstance(part, Aligner)]
    assert (copy.units, copy.trained_for) == (D, "abc")


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("memory", (B, S), r"`memory` must have shape \(B, S, M\)"),
        ("memory", (B, S + 1, M), "`memory`.* must agree in S"),
        ("attention", (B, T + 1, S), "`attention`.* must agree in T"),
        ("source_embeddings", (B + 1, S, X), "must agree in B"),
    ],
)
def test_wrong_shapes_are_named(name, shape, message):
    arrays = {**inputs(), name: np.zeros(shape, "float32")}
    with pytest.raises(ValueError, match=message):
        layer()(**arrays)


def test_masks_are_booleans():
    arrays = inputs()
    arrays["target_mask"] = arrays["target_mask"].astype("float32")
    with pytest.raises(ValueError, match="`target_mask` must be a tensor of booleans"):
        layer()(**arrays)


def test_units_are_a_positive_integer():
    with pytest.raises(ValueError, match="`units` must be a positive integer"):
        Aligner(0)


def test_a_digest_is_that_of_weights_and_vocabularies():
    translator = tiny.translator()
    digest = translator_digest(translator)
    half = translator.in_precision("bfloat16")
    assert translator_digest(half) == digest
    check_aligner(Aligner(D, trained_for=digest), half)
    check_aligner(Aligner(D), half)
    weight = translator.seq2seq.weights[0]
    weight.assign(-weight)
    assert translator_digest(translator) != digest
    with pytest.raises(
        ValueError, match=rf"'mine' for {digest[:12]}, and a translator"
    ):
        check_aligner(Aligner(D, trained_for=digest, name="mine"), translator)
    others = tiny.translator(codecs=2)
    assert translator_digest(others) not in (digest, translator_digest(translator))
