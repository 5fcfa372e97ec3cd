import keras
import layer_batches
import layer_tools
import numpy as np
import pytest
import reference
import tensorflow as tf

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


def by_hand(layer, query, memory, memory_mask):
    attend = reference.additive(layer)
    rows = zip(query, memory, memory_mask, strict=True)
    contexts, weights = zip(*(attend(*row) for row in rows), strict=True)
    return np.array(contexts), np.array(weights)


RUNS = [layer_tools.eager, layer_tools.graph, layer_tools.xla]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_equals_the_paper(layer, batch, run):
    got = run(layer)(**{name: tf.constant(value) for name, value in batch.items()})
    for have, want in zip(got, by_hand(layer, **batch), strict=True):
        # float32 against float64 over sums of at most 8 terms: one digit of slack.
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


def test_without_mask_all_rows_are_real(layer, batch):
    batch["memory_mask"] = np.ones((B, S), bool)
    want = layer(**batch)
    got = layer(batch["query"], batch["memory"])
    for have, expected in zip(got, want, strict=True):
        np.testing.assert_array_equal(have, expected)


def test_keys_projected_once_give_the_same(layer, batch):
    want = layer(**batch)
    got = layer(**batch, keys=layer.project_memory(batch["memory"]))
    for have, expected in zip(got, want, strict=True):
        np.testing.assert_allclose(have, expected, rtol=1e-6)


def test_longer_padding_with_any_content_changes_nothing(layer, batch):
    context, weights = layer(**batch)
    batch["memory"][1, 3:] = -1e4
    junk = np.full((B, 2, M), 1e4, "float32")
    batch["memory"] = np.concatenate([batch["memory"], junk], axis=1)
    batch["memory_mask"] = np.pad(batch["memory_mask"], [(0, 0), (0, 2)])
    wide_context, wide_weights = layer(**batch)
    np.testing.assert_allclose(wide_context, context, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(wide_weights[:, :S], weights, rtol=1e-6)
    np.testing.assert_array_equal(wide_weights[:, S:], 0)


def test_batch_mates_change_nothing(layer, batch):
    context, weights = layer(**batch)
    for row in range(B):
        alone = layer(**{name: value[row : row + 1] for name, value in batch.items()})
        np.testing.assert_allclose(alone[0][0], context[row], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(alone[1][0], weights[row], rtol=1e-5, atol=1e-6)


def test_row_without_any_token_is_zeros_with_finite_gradients(layer, batch):
    batch["memory_mask"][1] = False
    context, weights = layer(**batch)
    np.testing.assert_array_equal(weights[1], 0)
    np.testing.assert_array_equal(context[1], 0)
    np.testing.assert_allclose(np.sum(weights, axis=1), [1, 0, 1], rtol=1e-6)
    layer_tools.check_gradients(layer, lambda: layer(**batch))


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


def test_gradient_reaches_inputs_but_no_masked_row(layer, batch):
    memory = tf.constant(batch["memory"])
    with tf.GradientTape() as tape:
        tape.watch(memory)
        context, _ = layer(batch["query"], memory, memory_mask=batch["memory_mask"])
    gradient = tape.gradient(context, memory).numpy()
    np.testing.assert_array_equal(gradient[~batch["memory_mask"]], 0)
    assert (np.abs(gradient[batch["memory_mask"]]).sum(axis=-1) > 0).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(batch, policy):
    layer = BahdanauAttention(A, dtype=policy)
    # Scores far beyond what float16 can exponentiate.
    layer(**batch)
    layer.score_kernel.assign(np.full((A, 1), 1000.0))
    context, weights = layer(**batch)
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    assert weights.dtype == "float32"
    assert context.dtype == layer.compute_dtype
    assert np.isfinite(np.asarray(context, "float32")).all()
    np.testing.assert_allclose(np.sum(weights, axis=1), 1, rtol=1e-6)
    assert layer.project_memory(
        tf.cast(batch["memory"], layer.compute_dtype)
    ).dtype == (layer.compute_dtype)
    layer_tools.check_gradients(
        layer_tools.randomise(layer, scale=0.3), lambda: layer(**batch)
    )


def test_config_survives_json(batch):
    layer = BahdanauAttention(
        A, kernel_initializer="zeros", score_initializer="ones", name="look"
    )
    again = layer_tools.through_json(layer)
    assert again.get_config() == layer.get_config()
    assert again.name == "look"
    _, weights = again(**batch)  # zeros everywhere: all rows answer equally well
    np.testing.assert_allclose(weights[1], [1 / 3, 1 / 3, 1 / 3, 0, 0], rtol=1e-6)


def test_in_a_functional_model_with_unknown_sizes(batch, tmp_path):
    shapes = {"query": (Q,), "memory": (None, M), "memory_mask": (None,)}
    inputs = {
        name: keras.Input(shape, dtype=batch[name].dtype.name, name=name)
        for name, shape in shapes.items()
    }
    context, weights = BahdanauAttention(A)(**inputs)
    assert (context.shape, weights.shape) == ((None, M), (None, None))
    assert (context.dtype, weights.dtype) == ("float32", "float32")
    model = keras.Model(inputs, [context, weights])
    want = model.predict(batch, verbose=0)
    assert [array.shape for array in want] == [(B, M), (B, S)]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").predict(batch, verbose=0)
    for have, expected in zip(again, want, strict=True):
        np.testing.assert_array_equal(have, expected)


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
        ("query", (B + 1, Q), "must agree in B and S"),
        ("memory_mask", (B, S + 1), "must agree in B and S"),
        ("memory_mask", (1, S), "must agree in B and S"),
        ("keys", (B, A), r"`keys` must have shape \(B, S, A\)"),
        ("keys", (B, S + 1, A), "must agree in B and S"),
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
