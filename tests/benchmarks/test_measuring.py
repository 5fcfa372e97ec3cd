"""Rounds, medians, peaks, counted costs, child processes, and what is printed."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import measuring
from benchmarks.child import child_process, json_process
from benchmarks.costs import decoding_flops, training_flops
from benchmarks.growth import Grid, exponent
from benchmarks.markdown import fill
from benchmarks.measuring import measure_rounds, median_and_spread
from benchmarks.report import ROOT, one_line, publish
from benchmarks.training import Shape
from keras_attn import Seq2SeqConfig

SIZES = {
    "source_vocabulary_size": 50,
    "target_vocabulary_size": 70,
    "embedding_dim": 2,
    "encoder_units": 3,
    "decoder_units": 5,
    "attention_units": 7,
    "readout_units": 11,
    "tie_embeddings": False,
}


def test_a_metric_is_the_median_and_its_spread():
    assert median_and_spread("speed", [3.0, 1.00004, 2.0]) == {
        "speed": 2.0,
        "speed_spread": [1.0, 3.0],
    }


def test_every_round_takes_every_measure_in_turn(monkeypatch):
    monkeypatch.setattr(measuring, "measure_sgemm", iter([1, 3, 5, 9]).__next__)
    taken = []
    measures = {name: lambda name=name: taken.append(name) or 7.0 for name in "ab"}
    assert measure_rounds(measures, 2) == [
        {"a": 7.0, "b": 7.0, "sgemm": 2.0},
        {"a": 7.0, "b": 7.0, "sgemm": 7.0},
    ]
    assert taken == ["a", "b", "a", "b"]


def test_the_rates_of_the_machine_are_measured():
    assert 0 < measuring.measure_sgemm(64, 2) < 1e15
    assert measuring.measure_stream(size=1000, repeats=2) > 0


def test_a_peak_is_seen_and_forgotten():
    measuring.reset_peak()
    before = measuring.resident_mb()
    freed = np.ones(100_000_000, "uint8")
    assert freed[-1] == 1
    del freed
    # Within 1 MB of pages that other threads and the interpreter come and go with.
    assert measuring.peak_mb() - before == pytest.approx(100, abs=1)
    measuring.reset_peak()
    assert measuring.peak_mb() - before < 50


def test_a_child_process_that_fails_is_an_error():
    message = r"process of benchmarks\.markdown:fill, which ended with 1"
    with (
        child_process(fill, page="", mark="x", text="no marks") as ask,
        pytest.raises(RuntimeError, match=message),
    ):
        ask()


def test_a_child_process_that_reads_nothing_is_an_error():
    words = [sys.executable, "-c", "raise SystemExit(3)"]
    arguments = {"text": "x" * 200_000}  # more than a pipe holds
    with (
        pytest.raises(RuntimeError, match="nothing from the process of x, which ended"),
        json_process(words, "x", arguments) as ask,
    ):
        ask()


KILLED = """
import os
import signal
import subprocess
import sys
import benchmarks.__main__ as command
from benchmarks.child import json_process

SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"

def run(name, words):
    with json_process([sys.executable, "-c", SLEEPER], "sleeper", {}) as ask:
        print(ask(), flush=True)
        ask()

command.run_command = run
sys.argv = ["benchmarks", next(iter(command.COMMANDS))]
command.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_a_benchmark_that_is_terminated_ends_its_child():
    words = [sys.executable, "-c", KILLED]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        os.kill(child, 0)  # it lives
        parent.terminate()
        assert parent.wait(60) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_the_stored_command_has_no_paths(monkeypatch, capsys):
    words = ["x", "x", "corpus.data=/here/multi30k", "--data", "/here/corpus", "--json"]
    monkeypatch.setattr(sys, "argv", words)
    metrics = median_and_spread("ratio", [2.0])
    publish("x", "a corpus", metrics, as_json=True, jobs=1)
    result = json.loads(capsys.readouterr().out)
    assert result["command"] == (
        "python -m benchmarks x corpus.data=multi30k --data corpus --json"
    )
    assert (result["ratio"], result["threads"]) == (2.0, {"jobs": 1})


def test_a_printed_table_has_numbers_with_and_without_spread(capsys):
    metrics = {**median_and_spread("ratio", [2.0]), "batches": 1234}
    publish("x", "a corpus", metrics, as_json=False)
    table = capsys.readouterr().out
    assert "x, a corpus" in table
    assert "1,234" in table
    assert "spread" not in table


def test_one_line_is_valid_json_or_an_error():
    assert one_line({"a": [1, None], "b": "ä"}) == '{"a": [1, null], "b": "ä"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        one_line({"a": float("nan")})


def test_training_takes_three_times_two_operations_per_weight_and_token():
    # Kernels and recurrent kernels of both directions, and the keys.
    source = 2 * (2 * 9 + 3 * 9) + 6 * 7
    # Query; the GRU on word and context, and on its state; readout; projection.
    target = 5 * 7 + (2 + 6) * 15 + 5 * 15 + (5 + 6 + 2) * 11 + 11 * 70
    config = Seq2SeqConfig(**SIZES)
    assert training_flops(config, 10, 0) == 60 * source
    assert training_flops(config, 0, 10) == 60 * target
    assert decoding_flops(config, 10, 10) == 20 * (source + target)


def test_the_formula_refuses_models_that_it_does_not_count():
    with pytest.raises(ValueError, match=r"additive attention\. Received.*'lstm'"):
        training_flops(Seq2SeqConfig(**SIZES, cell="lstm"), 1, 1)


def test_an_exponent_is_that_of_a_power():
    assert exponent([2, 3, 7], [2 * n**1.5 for n in (2, 3, 7)]) == pytest.approx(1.5)


def test_one_size_changes_along_an_axis_and_no_point_is_taken_twice():
    centre = Shape(batch=32, source=40, target=40)
    grid = Grid(centre, {"batch": (16, 32), "source": (20, 40)})
    other = Shape(batch=16, source=40, target=40)
    assert grid.along("batch") == [other, centre]
    assert grid.points() == [other, centre, Shape(batch=32, source=20, target=40)]
