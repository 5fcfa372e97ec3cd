"""Minimum Bayes risk beside a brute-force search with sacreBLEU's sentence scores."""

import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from keras_attn.metrics import minimum_bayes_risk
from keras_attn.metrics.sentence_chrf import pairwise_chrf

ODD = [
    "",
    "a",
    " \t",
    "aaaa aa",
    "aaaaaaaaaaa",
    "ein 🙂 Hund",
    "x\u3000y\u00a0z",
    "\ud800x",
]
WORDS = ["a", "the", "dog", "cat", "runs", "sleeps", "in", "on", "red", "house"]


def sentences(count, seed):
    generator = np.random.default_rng(seed)
    return [
        " ".join(generator.choice(WORDS, generator.integers(1, 9)))
        for _ in range(count)
    ]


def brute_force(candidates, probabilities):
    """Returns the expected utility of each candidate, one pair at a time."""
    chrf = CHRF()
    return [
        sum(
            probability * chrf.sentence_score(candidate, [other]).score
            for other, probability in zip(candidates, probabilities, strict=True)
        )
        for candidate in candidates
    ]


def test_pairwise_scores_are_those_of_sacrebleu():
    texts = [*ODD, *sentences(8, seed=0)]
    chrf = CHRF()
    expected = [[chrf.sentence_score(a, [b]).score for b in texts] for a in texts]
    np.testing.assert_allclose(pairwise_chrf(texts), expected, rtol=1e-12)


def test_without_texts_there_are_no_scores():
    assert pairwise_chrf([]).shape == (0, 0)
    assert pairwise_chrf(["", " "]).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_the_choice_is_that_of_brute_force(seed):
    candidates = sentences(9, seed)
    scores = np.random.default_rng(seed).normal(-5, 2, len(candidates))
    uniform = brute_force(candidates, np.full(9, 1 / 9))
    assert minimum_bayes_risk(candidates, scores) == np.argmax(uniform)
    probabilities = np.exp(scores) / np.exp(scores).sum()
    expected = brute_force(candidates, probabilities)
    chosen = minimum_bayes_risk(candidates, scores, weighted=True)
    assert chosen == np.argmax(expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_one_candidate_is_chosen(weighted):
    for text in ODD:
        assert minimum_bayes_risk([text], [-2.0], weighted=weighted) == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_of_identical_candidates_the_most_probable_is_chosen(weighted):
    scores = [-3.0, -1.0, -2.0, -1.0]
    assert minimum_bayes_risk(["a b"] * 4, scores, weighted=weighted) == 1


def test_an_empty_translation_is_like_itself():
    assert minimum_bayes_risk(["", "a b"], [-0.01, -5.0], weighted=True) == 0
    assert minimum_bayes_risk(["a b", "", " "], [-0.5, -1.5, -2.5], weighted=True) == 0
    assert minimum_bayes_risk(["a b", "", " "]) == 1


def test_ties_go_to_the_higher_score_and_then_to_the_first():
    # Of two texts of one length, each is as close to the other.
    candidates = ["the dog", "the cat"]
    assert minimum_bayes_risk(candidates, [-2.0, -1.0]) == 1
    assert minimum_bayes_risk(candidates, [-1.0, -2.0]) == 0
    assert minimum_bayes_risk(candidates) == 0


def test_a_repeated_candidate_weighs_as_much_as_it_is_repeated():
    texts, counts = sentences(6, seed=9), [1, 4, 1, 2, 3, 1]
    repeated = [t for t, count in zip(texts, counts, strict=True) for _ in range(count)]
    chosen = minimum_bayes_risk(texts, np.log(counts), weighted=True)
    assert repeated[minimum_bayes_risk(repeated)] == texts[chosen]
    # Rare ones alone would have chosen another.
    assert minimum_bayes_risk(texts) != chosen


def test_the_order_of_the_candidates_does_not_matter():
    candidates = sentences(12, seed=3)
    scores = np.arange(-12.0, 0.0)
    for weighted in (False, True):
        first = candidates[minimum_bayes_risk(candidates, scores, weighted=weighted)]
        back = minimum_bayes_risk(candidates[::-1], scores[::-1], weighted=weighted)
        assert candidates[::-1][back] == first


def test_candidates_of_no_probability_do_not_count():
    candidates = ["", "a dog runs", "", "", "the dog runs"]
    scores = [-np.inf, -1.0, -np.inf, -np.inf, -9.0]
    assert minimum_bayes_risk(candidates, scores, weighted=True) == 1
    # One point of longer text: recall weighs more.
    assert minimum_bayes_risk(candidates, scores) == 4


def test_very_improbable_candidates_are_weighed_by_their_ratio():
    candidates = sentences(5, seed=4)
    scores = np.array([-5.0, -1.0, -2.0, -9.0, -3.0])
    chosen = minimum_bayes_risk(candidates, scores, weighted=True)
    assert minimum_bayes_risk(candidates, scores - 5000, weighted=True) == chosen


@pytest.mark.parametrize(
    ("candidates", "options", "message"),
    [
        ([], {}, "at least one text. Received: none"),
        (["a"], {"weighted": True}, "weighted=True without `scores`"),
        (["a", "b"], {"scores": [-1.0]}, r"shape \(1,\) for candidates=2"),
        (["a"], {"scores": [-np.inf]}, r"above -inf.*scores=\[-inf\]"),
        (["a"], {"scores": [np.nan]}, r"scores=\[nan\]"),
    ],
)
def test_bad_candidates_are_refused(candidates, options, message):
    with pytest.raises(ValueError, match=message):
        minimum_bayes_risk(candidates, **options)
