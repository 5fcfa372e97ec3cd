import history_tools
import numpy as np
import pytest
import reference_history
from history_tools import A, B, M, Q, S, T

from keras_attn.layers.attention.base import History
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
def test_gradients_are_those_of_the_formula(features):
    history_tools.check_gradients(
        make_layer(features, dtype="float64"),
        lambda weights, row: reference_history.location(weights, features),
    )


def test_each_hypothesis_has_its_own_history():
    history_tools.check_beam(make_layer("both"))


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
