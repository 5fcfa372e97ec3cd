"""Intervals and p values: those of sacreBLEU's command, and of a NumPy bootstrap."""

import re
import subprocess
import sys

import numpy as np
import pytest

from keras_attn.metrics import resampled_scores
from keras_attn.metrics.significance import METRICS

WORDS = ["the", "a", "dog", "cat", "man", "park", "sees", "runs", "sleeps", "table"]


def corpus(sentences=60, seed=0):
    """References, a system with one wrong word in 10, and one with 3 in 10."""
    generator = np.random.default_rng(seed)

    def spoilt(text, share):
        return [w if generator.random() > share else "X" for w in text]

    references = [
        generator.choice(WORDS, generator.integers(5, 12)) for _ in range(sentences)
    ]
    systems = (references, *([spoilt(r, s) for r in references] for s in (0.1, 0.3)))
    return tuple([" ".join(text) for text in system] for system in systems)


REFERENCES, GOOD, BAD = corpus()


def test_all_figures_are_those_of_the_command(tmp_path):
    for name, lines in (("ref", REFERENCES), ("good", GOOD), ("bad", BAD)):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sacrebleu", "ref", "-i", "bad", "good"),
            *("-m", "bleu", "chrf", "ter", "--ter-case-sensitive", "--paired-bs"),
            *("-w", "4", "-f", "text"),
        ],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    lines = done.stdout.splitlines()
    [row] = [number for number, line in enumerate(lines) if " good │" in line]
    theirs = [
        [float(number) for number in re.findall(r"\d+\.\d+", above + below)]
        for above, below in zip(
            *(lines[i].split("│")[2:5] for i in (row, row + 1)), strict=True
        )
    ]
    metrics = ("bleu", "chrf", "ter")
    found = resampled_scores(GOOD, REFERENCES, against=BAD, metrics=metrics)
    ours = [[e.score, e.mean, e.half_width, e.p_value] for e in found.values()]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=6e-5)  # of 4 decimals
    for each in found.values():
        assert each.signature.partition("|")[2] in done.stdout
    assert found["bleu"].signature.startswith("BLEU|nrefs:1|bs:1000|seed:12345|case")


def test_an_interval_is_that_of_numpy():
    # TER of these is words spoilt over words: a ratio of two sums, easily resampled.
    spoilt = np.array([text.split().count("X") for text in GOOD])
    words = np.array([len(text.split()) for text in REFERENCES])
    rows = np.random.default_rng(7).integers(len(words), size=(4000, len(words)))
    rates = 100 * spoilt[rows].sum(axis=1) / words[rows].sum(axis=1)
    low, high = np.quantile(rates, [0.025, 0.975])
    found = resampled_scores(GOOD, REFERENCES, metrics=["ter"])["ter"]
    assert found.score == pytest.approx(100 * spoilt.sum() / words.sum())
    # The error of a 2.5 % quantile of 1000 draws is some 5 % of the interval.
    assert found.mean == pytest.approx(rates.mean(), abs=0.05 * (high - low))
    assert found.half_width == pytest.approx((high - low) / 2, rel=0.15)
    assert found.against is found.p_value is None


def test_a_system_is_no_better_than_itself():
    found = resampled_scores(GOOD, REFERENCES, against=GOOD, metrics=["bleu"])["bleu"]
    assert found.score == found.against
    assert found.p_value == 1


def test_case_counts_unless_lower_cased():
    shouted = [text.upper() for text in REFERENCES]
    found = resampled_scores(shouted, REFERENCES, metrics=tuple(METRICS), resamples=5)
    assert [found[f"{name}_lowercase"].score for name in ("bleu", "chrf")] == [100, 100]
    assert found["ter_lowercase"].score == 0
    assert found["ter"].score == pytest.approx(100)
    assert "case:mixed" in found["ter"].signature
    assert found["bleu"].score < 5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"against": BAD[1:]}, "against=59, references=60"),
        ({"metrics": ["meteor"]}, "Received: metric='meteor'"),
        ({"resamples": 1}, "Received: resamples=1"),
        ({"hypotheses": [], "references": []}, "Received: hypotheses=0"),
    ],
)
def test_what_cannot_be_compared_is_refused(changed, message):
    given = {"hypotheses": GOOD, "references": REFERENCES, **changed}
    with pytest.raises(ValueError, match=message):
        resampled_scores(**given)
