"""The benchmark of many workers runs from end to end."""

import json

import pytest
from benchmark_run import SMALL, run_benchmark

from benchmarks.workers.processes import measure_workers


@pytest.mark.slow  # several trainings
def test_speed_and_memory_of_one_and_two_processes():
    done = run_benchmark("workers", "--json", "--repeats", "1", *SMALL)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["batch"] == 128
    for count in (1, 2):
        assert found[f"tokens_per_second_{count}"] > 0
        assert 100 < found[f"peak_mb_{count}"] < 8000


@pytest.mark.slow
def test_a_training_that_fails_is_no_measurement():
    with pytest.raises(RuntimeError, match=r"must finish.*\[2\].*model\.cell=gur"):
        measure_workers(1, ["model.cell=gur"])
