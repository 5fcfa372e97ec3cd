"""The short examples run as a user would run them, and show what they say."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
LONG = {
    "newcomer.py",
    "quickstart.py",
    "serve_demo.py",
}  # takes minutes; tests/system has its parts


def run(name, folder):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def lists(line):
    return [ast.literal_eval(each) for each in re.findall(r"\[[^a-z]*\]", line)]


def attention_finds_the_seven(output):
    accuracy, sentences, looks = output.splitlines()
    assert float(accuracy.split()[-1]) > 0.95
    [sentences], [looks] = lists(sentences), lists(looks)
    for words, weights in zip(sentences, looks, strict=True):
        assert sum(weights) == pytest.approx(1, abs=0.05)  # printed with two digits
        assert not any(w for word, w in zip(words, weights, strict=True) if not word)
        if 7 in words:
            assert words[weights.index(max(weights))] == 7


def decoder_reads_backwards(output):
    accuracy, sentence, weights = output.split("\n", 2)
    assert float(accuracy.split()[-1]) > 0.9
    frames, written = lists(sentence)
    assert written == frames[::-1]
    rows = [row.split() for row in re.findall(r"\[([\d. ]+)\]", weights)]
    assert [len(row) for row in rows] == [5] * 5


def seq2seq_writes_backwards(output):
    lines = [lists(line) for line in output.splitlines()]
    assert len(lines) == 3
    for read, wrote in lines:
        assert wrote == [*read[-2::-1], 3]


CHECKS = {
    "attention_in_a_functional_model.py": attention_finds_the_seven,
    "decoder_in_a_subclassed_model.py": decoder_reads_backwards,
    "whole_seq2seq.py": seq2seq_writes_backwards,
}


@pytest.mark.parametrize(
    "name",
    [
        # The tutorial, which is run as well, trains the whole model, too.
        pytest.param(name, marks=[pytest.mark.slow] * (name == "whole_seq2seq.py"))
        for name in CHECKS
    ],
)
def test_runs_and_shows_what_it_says(name, tmp_path):
    CHECKS[name](run(name, tmp_path))


def test_no_example_is_left_out():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*CHECKS, *LONG}
