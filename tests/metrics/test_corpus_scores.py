import builtins
import json
import math
import subprocess
import sys
from collections import Counter

import pytest

from keras_attn.metrics.corpus_scores import score_corpus

HYPOTHESES = [
    "the small dog sleeps under the old table",
    "she has not seen the red car today",
    "we will buy bread and cheese tomorrow",
]
REFERENCES = [
    "the small dog sleeps under the new table",
    "she has not seen the red car yet today",
    "tomorrow we will buy bread and cheese",
]


def ngram_bleu(hypotheses, references):
    """Papineni et al. read literally, for text whose tokens are its words."""
    matched, counted = [0] * 4, [0] * 4
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        ours, theirs = hypothesis.split(), reference.split()
        for n in range(1, 5):
            have = Counter(zip(*(ours[i:] for i in range(n)), strict=False))
            want = Counter(zip(*(theirs[i:] for i in range(n)), strict=False))
            matched[n - 1] += sum((have & want).values())
            counted[n - 1] += sum(have.values())
    length = sum(len(text.split()) for text in hypotheses)
    wanted = sum(len(text.split()) for text in references)
    brevity = min(1.0, math.exp(1 - wanted / length))
    logs = [math.log(m / c) for m, c in zip(matched, counted, strict=True)]
    return 100 * brevity * math.exp(sum(logs) / 4)


def test_bleu_equals_our_own_count_of_ngrams():
    want = ngram_bleu(HYPOTHESES, REFERENCES)
    assert 30 < want < 90
    scores = score_corpus(HYPOTHESES, REFERENCES)
    assert scores.bleu == pytest.approx(want, rel=1e-9)


def test_case_counts_in_one_score_only():
    shouted = [text.upper() for text in HYPOTHESES]
    scores = score_corpus(shouted, REFERENCES)
    want = ngram_bleu(HYPOTHESES, REFERENCES)
    assert scores.bleu_lowercase == pytest.approx(want, rel=1e-9)
    assert scores.bleu < 1


def test_perfect_translations_score_100():
    scores = score_corpus(REFERENCES, REFERENCES)
    assert scores.bleu == pytest.approx(100)
    assert scores.bleu_lowercase == pytest.approx(100)
    assert scores.chrf == pytest.approx(100)


def test_scores_and_signatures_are_those_of_the_command(tmp_path):
    (tmp_path / "hyp").write_text("\n".join(HYPOTHESES) + "\n")
    (tmp_path / "ref").write_text("\n".join(REFERENCES) + "\n")

    def command(*options):
        run = subprocess.run(
            [
                *(sys.executable, "-m", "sacrebleu", "ref", "-i", "hyp"),
                *("-w", "6", "-f", "json", *options),
            ],
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        found = json.loads(run.stdout)
        return [found] if isinstance(found, dict) else found

    scores = score_corpus(HYPOTHESES, REFERENCES)
    bleu, chrf = command("-m", "bleu", "chrf")
    (lowercase,) = command("-m", "bleu", "-lc")
    for ours, signature, theirs in (
        (scores.bleu, scores.bleu_signature, bleu),
        (scores.bleu_lowercase, scores.bleu_lowercase_signature, lowercase),
        (scores.chrf, scores.chrf_signature, chrf),
    ):
        assert ours == pytest.approx(theirs["score"], abs=1e-6)
        assert signature == f"{theirs['name']}|{theirs['signature']}"
    assert "case:mixed" in scores.bleu_signature
    assert "tok:13a" in scores.bleu_signature
    assert "case:lc" in scores.bleu_lowercase_signature
    assert scores.chrf_signature.startswith("chrF2|")


def test_a_line_break_inside_a_sentence_counts_as_a_blank():
    broken = [text.replace(" ", "\r\n", 1) for text in HYPOTHESES]
    assert score_corpus(broken, REFERENCES) == score_corpus(HYPOTHESES, REFERENCES)
    assert score_corpus(["a-\nb c d e"], ["a- b c d e"]).bleu == pytest.approx(100)


def test_empty_translations_score_zero():
    scores = score_corpus(["", ""], REFERENCES[:2])
    assert (scores.bleu, scores.chrf) == (0.0, 0.0)


def test_to_dict_is_json():
    values = score_corpus(HYPOTHESES, REFERENCES).to_dict()
    assert json.loads(json.dumps(values)) == values
    assert {"bleu", "bleu_signature", "chrf"} <= set(values)


def test_unequal_counts_are_refused():
    with pytest.raises(ValueError, match="hypotheses=1, references=3"):
        score_corpus(HYPOTHESES[:1], REFERENCES)


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="at least one sentence"):
        score_corpus([], [])


def test_one_string_is_not_a_corpus():
    with pytest.raises(TypeError, match="`references` must be a sequence"):
        score_corpus(["a"], "a")


def test_a_missing_sacrebleu_is_explained(monkeypatch):
    real_import = builtins.__import__

    def without_sacrebleu(name, *args, **kwargs):
        if name.startswith("sacrebleu"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_sacrebleu)
    with pytest.raises(ImportError, match=r"keras-attn\[train\]"):
        score_corpus(["a"], ["a"])
