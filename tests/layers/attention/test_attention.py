"""What all align functions share; each formula has a test file of its own."""

import keras
import layer_batches
import layer_tools
import numpy as np
import pytest
from keras import layers, ops

from keras_attn import AttentionDecoder, BahdanauAttention
from keras_attn.layers import Attention
from keras_attn.layers.attention.normalisers import NORMALISERS

B, S, T, E, M, Q, A = 3, 5, 4, 2, 6, 4, 8


@keras.saving.register_keras_serializable(package="test_attention")
class MeanAttention(Attention):
    """The shortest align function: what the docs promise to a subclass."""

    def scores(self, query, keys, history):
        return ops.mean(query, axis=-1, keepdims=True) * ops.mean(keys, axis=-1)


@pytest.fixture
def batch():
    return layer_batches.draw(query=(B, Q), memory=(B, S, M))


@pytest.fixture
def target(batch):
    inputs = np.random.default_rng(1).normal(size=(B, T, E)).astype("float32")
    return {
        "inputs": inputs,
        "memory": batch["memory"],
        "memory_mask": batch["memory_mask"],
    }


# Temperature and normaliser --------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.25, 3])
def test_temperature_divides_the_scores(batch, temperature):
    plain = MeanAttention()
    tempered = MeanAttention(temperature=temperature)
    _, expected = plain(batch["query"] / temperature, batch["memory"])
    _, weights = tempered(batch["query"], batch["memory"])
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_higher_temperatures_are_flatter(batch):
    peaks = [
        np.max(MeanAttention(temperature=t)(**batch)[1], axis=1)
        for t in (0.1, 1, 10, 1e6)
    ]
    assert (np.diff(peaks, axis=0)[:, :2] < 0).all()
    np.testing.assert_allclose(peaks[-1], [1 / 5, 1 / 3, 1], rtol=1e-5)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), "1", True, None])
def test_refuses_temperatures(temperature):
    with pytest.raises(ValueError, match="must be a positive number") as info:
        BahdanauAttention(A, temperature=temperature, name="look")
    assert f"temperature={temperature!r} (layer 'look')" in str(info.value)


def test_the_normaliser_is_found_by_name(batch):
    layer = MeanAttention(normaliser="sparsemax", temperature=0.05)
    scores = layer.scores(batch["query"], batch["memory"], None) / 0.05
    expected = NORMALISERS["sparsemax"](scores, batch["memory_mask"])
    np.testing.assert_array_equal(layer(**batch)[1], expected)


@pytest.mark.parametrize("normaliser", ["Softmax", None, 3])
def test_refuses_normalisers_and_names_the_known_ones(normaliser):
    with pytest.raises(ValueError, match="one of 'softmax', 'sparsemax'") as info:
        BahdanauAttention(A, normaliser=normaliser, name="look")
    assert f"normaliser={normaliser!r} (layer 'look')" in str(info.value)


# Dropout of memory rows ------------------------------------------------------------


@pytest.mark.parametrize("dropout", [-0.1, 1, 1.5, "0.1", None])
def test_refuses_rates(dropout):
    with pytest.raises(ValueError, match=r"`dropout` is a rate in \[0, 1\)") as info:
        BahdanauAttention(A, dropout=dropout, name="look")
    assert f"dropout={dropout!r} (layer 'look')" in str(info.value)


def test_rows_are_dropped_whole_and_by_sentence():
    layer = BahdanauAttention(A, dropout=0.5, seed=0)
    dropped = layer.drop_rows(np.ones((8, 20, M), "float32"), training=True).numpy()
    assert set(dropped.ravel()) == {0.0, 2.0}
    np.testing.assert_array_equal(dropped, dropped[:, :, :1].repeat(M, axis=2))
    assert len({row.tobytes() for row in dropped[:, :, 0]}) == 8
    # 160 rows: 80 +- 6.
    assert 50 < np.count_nonzero(dropped[:, :, 0]) < 110


def test_nothing_is_dropped_outside_of_training(batch):
    layer = BahdanauAttention(A, dropout=0.9)
    for training in (False, None):
        rows = layer.drop_rows(batch["memory"], training=training)
        np.testing.assert_array_equal(rows, batch["memory"])
        context, weights = layer(**batch, training=training)
        expected = np.einsum("bs,bsm->bm", weights, batch["memory"])
        np.testing.assert_allclose(context, expected, rtol=1e-5, atol=1e-6)


def test_weights_are_those_before_dropout(batch):
    layer = BahdanauAttention(A, dropout=0.5, seed=0)
    calm, expected = layer(**batch)
    context, weights = layer(**batch, training=True)
    np.testing.assert_array_equal(weights, expected)
    assert np.abs(context - calm).max() > 1e-3


def test_with_keys_the_caller_has_dropped_already(batch):
    layer = BahdanauAttention(A, dropout=0.5, seed=0)
    calm, _ = layer(**batch)
    keys = layer.project_memory(batch["memory"])
    context, _ = layer(**batch, keys=keys, training=True)
    np.testing.assert_allclose(context, calm, rtol=1e-6)


def test_dropped_rows_are_the_same_at_all_steps_and_new_at_every_call(target):
    attention = MeanAttention(dropout=0.5, seed=0)
    decoder = AttentionDecoder(layers.GRUCell(Q), attention)
    # One feature a position shows which rows are in the average.
    target["memory"] = np.eye(S, dtype="float32")[None].repeat(B, axis=0)
    decoder(**target)
    draws = [
        [each.numpy() for each in decoder(**target, training=True)[1:]]
        for _ in range(4)
    ]
    for contexts, weights in draws:
        masks = contexts / np.where(weights == 0, 1, weights)
        np.testing.assert_allclose(masks, masks[:, :1].repeat(T, axis=1), rtol=1e-5)
        assert set(np.round(masks.ravel(), 4)) == {0.0, 2.0}
    assert len({contexts.tobytes() for contexts, _ in draws}) == 4


def test_the_seed_decides_and_survives_json(batch):
    layer = BahdanauAttention(A, dropout=0.5, seed=7, temperature=2.0)
    again = layer_tools.through_json(layer)
    rows = [each.drop_rows(batch["memory"], training=True) for each in (layer, again)]
    np.testing.assert_array_equal(*rows)


# Writing one's own -----------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5, "normaliser": "sparsemax"}])
@pytest.mark.parametrize("order", ["bahdanau", "luong", "conditional"])
def test_a_subclass_of_one_method_works_in_a_decoder(target, options, order):
    attention = MeanAttention(**options)
    decoder = AttentionDecoder(layers.GRUCell(Q), attention, order=order)
    outputs, contexts, weights = decoder(**target)
    assert tuple(outputs.shape) == (B, T, Q)
    expected = np.einsum("bts,bsm->btm", weights, target["memory"])
    np.testing.assert_allclose(contexts, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(weights[2], np.eye(S)[:1].repeat(T, axis=0))
    layer_tools.check_gradients(decoder, lambda: decoder(**target))


def test_a_subclass_of_one_method_is_saved_and_restored(batch, tmp_path):
    inputs = {
        name: keras.Input(value.shape[1:], dtype=value.dtype.name, name=name)
        for name, value in batch.items()
    }
    model = keras.Model(inputs, MeanAttention(temperature=0.5)(**inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for actual, expected in zip(again(batch), model(batch), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_the_base_class_names_what_to_implement(batch):
    rule = r"Attention must implement `scores\(query, keys, history\)`.*`weigh`"
    with pytest.raises(NotImplementedError, match=rule):
        Attention()(**batch)
