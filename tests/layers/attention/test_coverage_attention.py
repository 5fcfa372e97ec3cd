import history_tools
import layer_tools
import numpy as np
import pytest
import reference_history
from history_tools import A, B, M, Q, S, T

from keras_attn.layers.attention.base import History, extend_history, start_history
from keras_attn.layers.attention.coverage_attention import CoverageAttention

every_fertility = pytest.mark.parametrize("fertility", [None, 2, 1.5])


@pytest.fixture
def batch():
    return history_tools.make_batch()


def make_decoder(batch, fertility):
    return history_tools.make_decoder(CoverageAttention(A, fertility), batch)


@every_fertility
def test_equals_the_paper(batch, fertility):
    decoder = make_decoder(batch, fertility)
    weights = reference_history.weights_of(decoder.cell.attention)
    attends = [reference_history.coverage(weights, fertility)] * B
    history_tools.check_equals(decoder(**batch), decoder, attends, batch)


def test_step_by_step_equals_the_scan(batch):
    history_tools.check_steps(make_decoder(batch, 1.5), batch)


@every_fertility
def test_gradients_are_those_of_the_formula(fertility):
    history_tools.check_gradients(
        CoverageAttention(A, fertility, dtype="float64"),
        lambda weights, row: reference_history.coverage(weights, fertility),
    )


def test_each_hypothesis_has_its_own_coverage():
    history_tools.check_beam(CoverageAttention(A, 1.5))


def test_covered_rows_get_no_attention():
    """With a coverage kernel below zero, each step looks at another row."""
    layer = CoverageAttention(1)
    memory = np.ones((1, 3, M), "float32")
    query = np.ones((1, Q), "float32")
    layer(query, memory)
    for weight in layer.weights:
        weight.assign(np.zeros(weight.shape))
    layer.coverage_kernel.assign([[-5.0]])
    layer.score_kernel.assign([[50.0]])
    looked = np.array([[1.0, 0.0, 1.0]], "float32")
    history = History(np.zeros_like(looked), looked, np.full(1, 2, "int32"))
    _, weights = layer(query, memory, history=history)
    np.testing.assert_allclose(weights, [[0, 1, 0]], atol=1e-6)


def test_a_fertile_word_is_covered_later():
    layer = CoverageAttention(1, max_fertility=4)
    memory = np.array([[[3.0], [-1.0]]], "float32")
    query = np.ones((1, Q), "float32")
    layer(query, memory)
    for weight in layer.weights:
        weight.assign(np.zeros(weight.shape))
    layer.fertility_kernel.assign([[1.0]])
    layer.coverage_kernel.assign([[-1.0]])
    layer.score_kernel.assign([[1.0]])
    looked = np.ones((1, 2), "float32")
    _, weights = layer(
        query, memory, history=History(looked, looked, np.ones(1, "int32"))
    )
    phi = 4 / (1 + np.exp([-3.0, 1.0]))
    scores = np.exp(np.tanh(-1 / phi))
    np.testing.assert_allclose(weights[0], scores / scores.sum(), rtol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_fertility_near_zero_gives_finite_coverage(policy):
    layer = CoverageAttention(A, max_fertility=1, dtype=policy)
    memory = np.ones((B, S, M), "float32")
    query = np.ones((B, Q), "float32")
    layer(query, memory)
    layer.fertility_kernel.assign(np.full((M, 1), -1e3))
    history = start_history(memory)
    for _ in range(T):
        context, weights = layer(query, memory, history=history)
        history = extend_history(history, weights)
        assert np.isfinite(np.asarray(context, "float32")).all()
        np.testing.assert_allclose(np.sum(weights, axis=1), 1, rtol=1e-3)
    gradients = layer_tools.gradients(
        layer, lambda: layer(query, memory, history=history)
    )
    assert all(np.isfinite(each).all() for each in gradients.values())


def test_keys_hold_the_fertility_in_a_last_column(batch):
    layer = CoverageAttention(A, max_fertility=2)
    layer(np.ones((B, Q), "float32"), batch["memory"])
    keys = layer.project_memory(batch["memory"])
    assert tuple(keys.shape) == (B, S, A + 1)
    expected = batch["memory"] @ layer.fertility_kernel.numpy()
    np.testing.assert_allclose(keys[:, :, A:], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [0, -1, "2", True, float("nan")])
def test_refuses_fertilities(value):
    with pytest.raises(ValueError, match="`max_fertility` must be a positive") as info:
        CoverageAttention(A, max_fertility=value, name="look")
    assert f"max_fertility={value!r} (layer 'look')" in str(info.value)


def test_refuses_units():
    with pytest.raises(ValueError, match="`units` must be a positive integer"):
        CoverageAttention(0)
