"""The dictionary and the table of `keras-attn evaluate`."""

import json

import pytest

from keras_attn.metrics import resampled_scores, score_corpus
from keras_attn.training.corpora import SentencePair
from keras_attn.training.evaluation.scores import cited_scores, table_of_scores

TARGETS = ["the old dog sleeps in the park", "two men see a red car", "we go home"]
PAIRS = [
    SentencePair("Der alte Hund schläft im Park, glaube ich, seit heute.", TARGETS[0]),
    *(SentencePair("Zwei Männer sehen ein Auto.", target) for target in TARGETS[1:]),
]
OUTPUTS = ["The old dog sleeps in the park", "two men see a car", "we go home"]
OTHERS = ["old dog sleeps", "two see red", "we home"]


def test_scores_are_flat_and_ready_for_json():
    scores = cited_scores(PAIRS, OUTPUTS, against=("old.txt", OTHERS), lowercase=True)
    assert json.loads(json.dumps(scores)) == scores
    plain = score_corpus(OUTPUTS, TARGETS)
    assert scores["bleu"] == plain.bleu < scores["bleu_lowercase"]
    assert scores["chrf"] == plain.chrf < scores["chrf_lowercase"]
    # Of 16 words, one is missing, and one has another case.
    assert scores["ter"] == pytest.approx(100 * 2 / 16)
    assert scores["ter_lowercase"] == pytest.approx(100 * 1 / 16)
    assert scores["against"] == "old.txt"
    [theirs] = resampled_scores(OTHERS, TARGETS, metrics=["bleu"]).values()
    assert scores["bleu_against"] == theirs.score
    assert scores["bleu_difference"] == scores["bleu"] - theirs.score
    # 9 words, a comma, 2 words and a full stop; 5 words and a full stop, twice.
    sizes = [(each["to"], each["sentences"]) for each in scores["by_length"]]
    assert sizes == [(10, 2), (20, 1)]


def test_the_table_shows_every_score_and_signature():
    scores = {
        "data": "test",
        "aer": 0.12345,
        **cited_scores(PAIRS, OUTPUTS, against=("old.txt", OTHERS)),
    }
    table = table_of_scores(scores)
    for shown in ("data: test", "aer: 0.1235", "old.txt", "11 to 20", "95 % interval"):
        assert shown in table
    for metric in ("bleu", "bleu_lowercase", "chrf", "ter"):
        assert scores[f"{metric}_signature"] in table
        assert f"{scores[metric]:.1f} " in table
        assert f"{scores[f'{metric}_p_value']:.4f}" in table
    assert "None" not in table


def test_without_another_system_there_is_no_p_value():
    scores = cited_scores(PAIRS, OUTPUTS)
    assert not [name for name in scores if "against" in name or "p_value" in name]
    assert " p" not in table_of_scores(scores).splitlines()[1]
