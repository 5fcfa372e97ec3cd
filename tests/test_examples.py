"""The short examples run as a user runs them, and print what they promise."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
# They take minutes; tests/system has their parts.
LONG = {
    "keras_attn_command.py",
    "make_preset.py",
    "newcomer.py",
    "quickstart.py",
    "serve_demo.py",
}


def run(name, folder):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def lists(line):
    return [ast.literal_eval(match) for match in re.findall(r"\[[^a-z]*\]", line)]


def attention_finds_the_seven(output):
    accuracy, sentences, weights = output.splitlines()
    assert float(accuracy.split()[-1]) > 0.95
    [sentences], [weights] = lists(sentences), lists(weights)
    for words, row in zip(sentences, weights, strict=True):
        assert sum(row) == pytest.approx(1, abs=0.05)  # printed with two digits
        assert not any(w for word, w in zip(words, row, strict=True) if not word)
        if 7 in words:
            assert words[row.index(max(row))] == 7


def decoder_reads_backwards(output):
    accuracy, sentence, weights = output.split("\n", 2)
    assert float(accuracy.split()[-1]) > 0.9
    frames, targets = lists(sentence)
    assert targets == frames[::-1]
    rows = [row.split() for row in re.findall(r"\[([\d. ]+)\]", weights)]
    assert [len(row) for row in rows] == [5] * 5


def seq2seq_writes_backwards(output):
    lines = [lists(line) for line in output.splitlines()]
    assert len(lines) == 3
    for source, target in lines:
        assert target == [*source[-2::-1], 3]


def fine_tuning_turns_the_order_around(output):
    summary, finished, tuned = output.splitlines()
    assert float(summary.split()[1]) > 0.98
    assert summary.endswith("encoder unchanged True")
    assert finished.endswith("eins zwei drei vier -> one two three four")
    assert tuned.endswith("eins zwei drei vier -> four three two one")


CHECKS = {
    "attention_in_a_functional_model.py": attention_finds_the_seven,
    "decoder_in_a_subclassed_model.py": decoder_reads_backwards,
    "fine_tuning.py": fine_tuning_turns_the_order_around,
    "whole_seq2seq.py": seq2seq_writes_backwards,
}


@pytest.mark.parametrize(
    "name",
    [
        # Slow, as each trains; docs/layers.md, which is run by default, has their core.
        pytest.param(name, marks=pytest.mark.slow)
        for name in CHECKS
    ],
)
def test_an_example_prints_the_right_results(name, tmp_path):
    CHECKS[name](run(name, tmp_path))


def test_no_example_is_left_out():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*CHECKS, *LONG}
