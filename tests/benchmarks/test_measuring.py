"""What all benchmarks share: rounds, figures, and what they print."""

import json
import sys

from benchmarks.measuring import figure, measure_rounds
from benchmarks.report import publish


def test_a_figure_is_the_median_and_its_spread():
    assert figure("speed", [3.0, 1.00004, 2.0]) == {
        "speed": 2.0,
        "speed_spread": [1.0, 3.0],
    }


def test_every_round_takes_every_measure_in_turn(monkeypatch):
    monkeypatch.setattr(
        "benchmarks.measuring.measure_sgemm", iter([1, 3, 5, 9]).__next__
    )
    taken = []
    measures = {name: lambda name=name: taken.append(name) or 7.0 for name in "ab"}
    assert measure_rounds(measures, 2) == [
        {"a": 7.0, "b": 7.0, "sgemm": 2.0},
        {"a": 7.0, "b": 7.0, "sgemm": 7.0},
    ]
    assert taken == ["a", "b", "a", "b"]


def test_the_command_is_told_without_folders(monkeypatch, capsys):
    words = ["x", "corpus.data=/here/multi30k", "--data", "/here/corpus", "--json"]
    monkeypatch.setattr(sys, "argv", words)
    publish("x", "a corpus", figure("ratio", [2.0]), as_json=True, jobs=1)
    found = json.loads(capsys.readouterr().out)
    assert found["command"] == (
        "python -m benchmarks.x corpus.data=multi30k --data corpus --json"
    )
    assert (found["ratio"], found["threads"]) == (2.0, {"jobs": 1})


def test_a_table_has_numbers_with_and_without_spread(capsys):
    publish("x", "a corpus", {**figure("ratio", [2.0]), "batches": 1234}, as_json=False)
    table = capsys.readouterr().out
    assert "x, a corpus" in table
    assert "1,234" in table
    assert "spread" not in table
