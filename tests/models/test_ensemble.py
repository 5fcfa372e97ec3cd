"""An ensemble against the mean of its members' probabilities, by NumPy."""

import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_attn.models import Ensemble


@pytest.fixture(scope="module")
def members():
    # Nothing but the vocabularies has to be the same.
    return [
        tiny.model(1),
        tiny.model(2, cell="lstm", attention="general", decoder_units=7),
    ]


def probabilities(logits):
    logits = ops.convert_to_numpy(logits).astype("float64")
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


SOURCE = tiny.ids(3, 5)


def test_steps_are_the_mean_of_the_members(members):
    ensemble = Ensemble(members)
    state, memory = ensemble.encode(SOURCE)
    alone = [member.encode(SOURCE) for member in members]
    for words in ([2, 2, 2], [5, 7, 4]):
        logits, state, weights = ensemble.step(np.array(words), state, memory)
        steps = [
            member.step(np.array(words), *each)
            for member, each in zip(members, alone, strict=True)
        ]
        alone = [(after, m) for (_, after, _), (_, m) in zip(steps, alone, strict=True)]
        expected = np.mean([probabilities(step[0]) for step in steps], axis=0)
        np.testing.assert_allclose(
            np.exp(ops.convert_to_numpy(logits)), expected, rtol=1e-5
        )
        mean = np.mean([ops.convert_to_numpy(step[2]) for step in steps], axis=0)
        np.testing.assert_allclose(ops.convert_to_numpy(weights), mean, rtol=1e-6)


def test_scores_of_whole_targets_are_the_mean_of_the_members(members):
    target = tiny.ids(3, 4, seed=1)
    logits, weights = Ensemble(members).score(SOURCE, target)
    alone = [member.score(SOURCE, target, training=False) for member in members]
    expected = np.mean([probabilities(one) for one, _ in alone], axis=0)
    np.testing.assert_allclose(
        np.exp(ops.convert_to_numpy(logits)), expected, rtol=1e-5
    )
    mean = np.mean([ops.convert_to_numpy(one) for _, one in alone], axis=0)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), mean, rtol=1e-6)


def test_the_mean_over_a_shortlist_is_over_allowed_words(members):
    ensemble = Ensemble(members)
    words = np.array([2, 3, 6, 8, 9], "int32")
    allowed = np.array([[0, 1, 1, 0, 1], [0, 1, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
    state, memory = ensemble.encode(SOURCE)
    positions = np.zeros(3, "int32")
    logits, _, _ = ensemble.shortlist_step(words)(positions, state, (memory, allowed))
    expected = []
    for member, s, m in zip(members, state, memory, strict=True):
        all_words = ops.convert_to_numpy(member.step(words[positions], s, m)[0])
        expected.append(probabilities(np.where(allowed, all_words[:, words], -np.inf)))
    found = ops.convert_to_numpy(logits)
    assert not np.isnan(found).any()
    assert (found == -np.inf).tolist() == (~allowed).tolist()
    np.testing.assert_allclose(np.exp(found), np.mean(expected, axis=0), rtol=1e-5)


def test_a_saved_ensemble_predicts_the_same(members, tmp_path):
    ensemble = Ensemble(members)
    ensemble.save(tmp_path / "ensemble.keras")
    loaded = keras.saving.load_model(tmp_path / "ensemble.keras")
    one, other = (
        each.step(np.array([2, 2, 2]), *each.encode(SOURCE))[0]
        for each in (ensemble, loaded)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("chosen", "error", "told"),
    [
        (lambda a, b: [a], ValueError, "members of length 1"),
        (lambda a, b: [a, a], ValueError, "no object twice"),
        (lambda a, b: [a, 3], TypeError, "members with 3"),
        (
            lambda a, b: [a, tiny.model(target_vocabulary_size=11)],
            ValueError,
            r"\(13, 13, 0\) and \(13, 11, 0\)",
        ),
    ],
)
def test_refuses_members(members, chosen, error, told):
    with pytest.raises(error, match=told):
        Ensemble(chosen(*members))
