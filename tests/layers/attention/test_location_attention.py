import history_tools
import layer_tools
import numpy as np
import pytest
import reference_history
import tensorflow as tf
from history_tools import A, B, M, Q, S, T

from keras_attn.layers.attention.history import History, extend_history, start_history
from keras_attn.layers.attention.location_attention import LocationAttention

every_feature = pytest.mark.parametrize("features", ["previous", "total", "both"])


def make_layer(features="previous", kernel_size=3, **kwargs):
    return LocationAttention(A, 2, kernel_size, features=features, **kwargs)


@pytest.fixture
def batch():
    return history_tools.make_batch()


@every_feature
@pytest.mark.parametrize("kernel_size", [1, 3, 9])  # 9: longer than the source
def test_equals_the_paper(batch, features, kernel_size):
    decoder = history_tools.make_decoder(make_layer(features, kernel_size), batch)
    weights = reference_history.weights_of(decoder.cell.attention)
    attends = [reference_history.location(weights, features)] * B
    history_tools.check_equals(decoder(**batch), decoder, attends, batch)


@pytest.mark.parametrize("order", ["luong", "conditional"])
def test_in_other_orders_the_history_travels_too(batch, order):
    decoder = history_tools.make_decoder(make_layer("both"), batch, order=order)
    state = history_tools.check_steps(decoder, batch)
    weights = np.asarray(decoder(**batch)[2])
    np.testing.assert_allclose(state.history.previous, weights[:, -1], rtol=1e-6)
    np.testing.assert_allclose(state.history.total, weights.sum(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(state.history.steps, [T] * B)


@every_feature
def test_step_by_step_equals_the_scan(batch, features):
    history_tools.check_steps(
        history_tools.make_decoder(make_layer(features), batch), batch
    )


@every_feature
def test_padding_and_batch_mates_change_nothing(batch, features):
    decoder = history_tools.make_decoder(make_layer(features, 5), batch)
    history_tools.check_padding(decoder, batch)
    history_tools.check_empty_row(decoder, batch)


@every_feature
def test_gradients_are_those_of_the_formula(features):
    history_tools.check_gradients(
        make_layer(features, dtype="float64"),
        lambda weights, row: reference_history.location(weights, features),
    )


def test_each_hypothesis_has_its_own_history():
    history_tools.check_beam(make_layer("both"))


@pytest.mark.parametrize("run", [layer_tools.graph, layer_tools.xla])
def test_compiled_equals_eager(batch, run):
    layer = make_layer("both")
    query = batch["inputs"][:, 0, :1].repeat(Q, axis=1)
    layer(query, batch["memory"])
    layer_tools.randomise(layer)
    memory = tf.constant(batch["memory"])
    mask = tf.constant(batch["memory_mask"])

    def two_steps(query, memory, mask):
        _, first = layer(query, memory, memory_mask=mask)
        history = extend_history(start_history(memory), first)
        return layer(query, memory, memory_mask=mask, history=history)

    for have, want in zip(
        run(two_steps)(tf.constant(query), memory, mask),
        two_steps(query, memory, mask),
        strict=True,
    ):
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


def test_it_can_step_to_the_right(batch):
    """A filter that reads one place to the left finds the next row, alike or not."""
    layer = LocationAttention(1, 1, 3)
    memory = np.ones((1, S, M), "float32")
    query = np.ones((1, Q), "float32")
    layer(query, memory)
    for weight in layer.weights:
        weight.assign(np.zeros(weight.shape))
    layer.filter_kernel.assign([[[1.0]], [[0.0]], [[0.0]]])
    layer.location_kernel.assign([[5.0]])
    layer.score_kernel.assign([[50.0]])
    looked = np.eye(S, dtype="float32")[[2]]
    history = History(looked, looked, np.ones(1, "int32"))
    _, weights = layer(query, memory, history=history)
    np.testing.assert_allclose(weights, np.eye(S)[[3]], atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_carries_float32(batch, policy):
    layer = make_layer("both", dtype=policy)
    _, weights = layer(batch["inputs"][:, 0], batch["memory"])
    history = extend_history(start_history(batch["memory"]), weights)
    context, weights = layer(batch["inputs"][:, 0], batch["memory"], history=history)
    assert (context.dtype, weights.dtype) == (layer.compute_dtype, "float32")
    np.testing.assert_allclose(np.sum(weights, axis=1), 1, rtol=1e-5)


def test_config_survives_json():
    layer = make_layer("both", score_initializer="ones", temperature=2.0, name="look")
    again = layer_tools.through_json(layer)
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"units": 0}, "`units` must be a positive integer"),
        ({"filters": 1.5}, "`filters` must be a positive integer"),
        ({"kernel_size": -3}, "`kernel_size` must be a positive integer"),
        ({"kernel_size": 4}, "`kernel_size` must be odd"),
        ({"features": "next"}, "`features` must be one of 'previous', 'total', 'both'"),
    ],
)
def test_refuses_arguments(changed, rule):
    arguments = {"units": 8, "filters": 2, "kernel_size": 3, **changed}
    with pytest.raises(ValueError, match=rule) as info:
        LocationAttention(**arguments, name="look")
    [(name, value)] = changed.items()
    assert f"{name}={value!r} (layer 'look')" in str(info.value)
