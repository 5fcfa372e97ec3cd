"""Which length and coverage penalties are tried, and which is best."""

import types

import pytest

from keras_attn.training.corpora import SentencePair
from keras_attn.training.evaluation.penalties import tune_penalties

TARGET = "one two three four five six seven"


def scripted(best_length, best_coverage, own=(1.0, 0.0)):
    """A translator that loses a word for each 0.1 by which a penalty is off."""

    def translate(texts, length_penalty, coverage_penalty, **options):
        off = abs(length_penalty - best_length) + abs(coverage_penalty - best_coverage)
        text = " ".join(TARGET.split()[round(10 * off) :])
        translation = {"text": text, "source_truncated": 0, "target_truncated": False}
        return [types.SimpleNamespace(**translation) for _ in texts]

    return types.SimpleNamespace(
        translate=translate,
        align=lambda *texts, **options: [],
        length_penalty=own[0],
        coverage_penalty=own[1],
        beam_size=5,
    )


def test_both_penalties_are_tuned_the_best_first():
    pairs = [SentencePair("a", TARGET, "0-0")] * 2
    scores = tune_penalties(scripted(1.2, 0.2), pairs)
    assert scores[0][:2] == (1.2, 0.2)
    assert [score.bleu for score in scores] == sorted(
        (score.bleu for score in scores), reverse=True
    )
    tried = {score[:2] for score in scores}
    lengths = {(length, 0.0) for length in (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6)}
    assert tried == lengths | {
        (1.2, penalty) for penalty in (0.01, 0.03, 0.1, 0.2, 0.4)
    }


def test_of_equal_penalties_none_for_coverage_is_best():
    scores = tune_penalties(scripted(0.6, 0.0), [SentencePair("a", TARGET)])
    assert scores[0][:2] == (0.6, 0.0)


def test_penalties_of_the_translator_stay_unless_others_are_better():
    pairs = [SentencePair("a", TARGET)]
    scores = tune_penalties(scripted(0.5, 0.05, own=(0.5, 0.05)), pairs)
    assert scores[0][:2] == (0.5, 0.05)
    assert len(scores) == 13
    # 0.7 and 0.9 are off as much.
    assert tune_penalties(scripted(0.8, 0, own=(0.8, 0.0)), pairs)[0][:2] == (0.8, 0.0)


def test_greedy_search_has_no_penalties():
    with pytest.raises(ValueError, match=r"Received: beam_size=1\. Give a beam size"):
        tune_penalties(scripted(1.2, 0.2), [SentencePair("a", TARGET)], beam_size=1)
