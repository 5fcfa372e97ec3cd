"""The memory benchmark: what it counts, and that it runs from end to end."""

import json

import numpy as np
import pytest
from benchmark_run import run_benchmark

from benchmarks.memory.command import memory
from benchmarks.memory.peak import peak_mb, resident_mb, start_new_peak
from benchmarks.memory.point import measure_apart
from benchmarks.steps import Shape

SMALL = ["text.vocabulary_size=2000", *(
    f"model.{name}=32" for name in (
        "embedding_dim", "encoder_units", "decoder_units",
        "attention_units", "readout_units",
    )
)]  # fmt: skip


def test_a_peak_is_seen_and_forgotten():
    start_new_peak()
    before = resident_mb()
    freed = np.ones(100_000_000, "uint8")
    assert freed[-1] == 1
    del freed
    # Within 1 MB of pages that other threads and the interpreter come and go with.
    assert peak_mb() - before == pytest.approx(100, abs=1)
    start_new_peak()
    assert peak_mb() - before < 50


@pytest.fixture
def no_processes(monkeypatch):
    """Growth by a formula in place of training steps."""

    def growth(shape, overrides):
        return 0.001 * shape.batch * (shape.source + shape.target) + 2e-5 * (
            shape.batch * shape.source * shape.target
        )

    monkeypatch.setattr("benchmarks.memory.command.measure_apart", growth)


def test_exponents_are_those_of_what_was_found(no_processes, capsys, tmp_path):
    memory(SMALL, repeats=2, out=tmp_path, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["exponent_batch"] == 1
    # 32 (S + 40) + 0.64 * 40 S at S = 10 and 80: between none and all of it grows.
    assert 0.5 < found["exponent_source"] < 1
    assert found["exponent_target"] == found["exponent_source"]
    assert found["grows_linearly"] is True
    assert len(found["points"]) == 10
    assert found["corpus"] == "random ids of exact lengths"
    assert "<svg" in (tmp_path / "memory.svg").read_text()


def test_a_step_that_fails_is_told():
    with pytest.raises(RuntimeError, match=r"Received: exit code 1 at Shape\(batch=1"):
        measure_apart(Shape(batch=1, source=1, target=1), ["model.unit=3"])


@pytest.mark.slow
def test_one_line_says_how_memory_grows():
    done = run_benchmark("memory", *SMALL, "--quick", "--repeats", "1", "--json")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    assert len(found["points"]) == 4
    assert all(each["mb"] > 0 for each in found["points"])
    assert found["exponent_batch"] > 0.2
    assert found["mb_per_batch_token"] > 0
