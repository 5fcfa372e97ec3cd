import history_tools
import numpy as np
import pytest
import reference_history
from history_tools import A, B, M, Q, S

from keras_attn.layers.attention.local_attention import LocalAttention

every_window = pytest.mark.parametrize("window", [1, 2, 10])


@pytest.fixture
def batch():
    return history_tools.make_batch()


def make_decoder(batch, window):
    return history_tools.make_decoder(LocalAttention(A, window), batch)


@every_window
def test_equals_the_paper(batch, window):
    decoder = make_decoder(batch, window)
    weights = reference_history.weights_of(decoder.cell.attention)
    attends = [reference_history.local(weights, window)] * B
    history_tools.check_equals(decoder(**batch), decoder, attends, batch)


def test_step_by_step_equals_the_scan(batch):
    history_tools.check_steps(make_decoder(batch, 2), batch)


@every_window
def test_gradients_are_those_of_the_formula(window):
    history_tools.check_gradients(
        LocalAttention(A, window, dtype="float64"),
        lambda weights, row: reference_history.local(weights, window),
    )


def test_each_hypothesis_has_its_own_window():
    history_tools.check_beam(LocalAttention(A, 2))


def pointing(share, window):
    """A layer whose scores are all alike and whose window is where it is told."""
    layer = LocalAttention(1, window)
    layer(np.ones((1, Q), "float32"), np.ones((1, S, M), "float32"))
    for weight in layer.weights:
        weight.assign(np.zeros(weight.shape))
    layer.position_kernel.assign(np.full((Q, 1), 10.0))
    layer.position_vector.assign([[share]])
    return layer


@pytest.mark.parametrize("logit", [-1e4, -20.0, 20.0, 1e4])
@pytest.mark.parametrize("length", [1, 2, 5, 200])
def test_the_window_holds_a_real_token_wherever_it_points(logit, length):
    """Also at both ends of the sentence, where the sigmoid is rounded to 0 or 1."""
    layer = pointing(logit, window=1)
    memory = np.ones((1, length + 3, M), "float32")
    mask = np.arange(length + 3)[None] < length
    _, weights = layer(np.ones((1, Q), "float32"), memory, memory_mask=mask)
    looked = np.flatnonzero(weights[0])
    assert looked.tolist() == ([length - 1] if logit > 0 else [0, 1][: min(length, 2)])
    assert 0.13 < np.sum(weights) <= 1


def test_the_length_is_that_of_the_row():
    layer = pointing(0.0, window=1)  # the middle of each row
    query, memory = np.ones((2, Q), "float32"), np.ones((2, 8, M), "float32")
    mask = np.arange(8) < np.array([[8], [4]])
    _, weights = layer(query, memory, memory_mask=mask)
    near = np.exp(-2) / 3  # one place off the middle of three rows alike
    np.testing.assert_allclose(
        weights,
        [[0, 0, 0, near, 1 / 3, near, 0, 0], [0, near, 1 / 3, near, 0, 0, 0, 0]],
        rtol=1e-5,
    )


def test_without_mask_all_rows_are_real(batch):
    layer = LocalAttention(A, 2)
    call = {"query": np.ones((B, Q), "float32"), "memory": batch["memory"]}
    for actual, expected in zip(
        layer(**call), layer(**call, memory_mask=np.ones((B, S), bool)), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("changed", [{"units": 0}, {"window": 0}, {"window": 2.5}])
def test_refuses_arguments(changed):
    [(name, value)] = changed.items()
    with pytest.raises(ValueError, match=f"`{name}` must be a positive") as info:
        LocalAttention(**{"units": 8, **changed}, name="look")
    assert f"{name}={value!r} (layer 'look')" in str(info.value)
