"""The batching benchmark runs, chooses, and the defaults follow what is stored."""

import json

import pytest
from benchmark_run import SMALL, run_benchmark

from benchmarks.batching.plan import CLIENTS, choose, plan
from benchmarks.own_pages import BENCHMARKS, fill_own_page, read_result
from serving.deploy.options import DeployOptions
from serving.local_server.batching import BatchingParameters
from serving.signature import MOST_WARMUP_TEXTS

WHERE = {
    "command": "python -m benchmarks.batching --json",
    "corpus": "a corpus",
    "commit": "0123456789abcdef",
    "modified": False,
    "versions": {"tensorflow": "2.21.0"},
    "hardware": {"processor": "a CPU", "cores": 2},
    "date": "2026-11-22T10:00:00+00:00",
}


def point(size, clients, rate, p50, refused=0):
    return {
        "threads": 2,
        "max_batch_size": size,
        "batch_timeout_micros": 0 if size is None else 2000,
        "num_batch_threads": 0 if size is None else 2,
        "max_enqueued_batches": 0 if size is None else 100,
        "clients": clients,
        "per_second": rate,
        "p50_ms": p50,
        "p95_ms": 2 * p50,
        "refused": refused,
    }


def test_settings_are_what_a_server_reads(tmp_path):
    batched = [setting for setting in plan(2) if setting.parameters is not None]
    assert len(batched) == len(set(batched)) == 8
    for setting in batched:
        path = tmp_path / "parameters.txt"
        path.write_text(setting.parameters)
        read = BatchingParameters.read(path)
        assert read.max_batch_size == setting.max_batch_size
        assert read.num_batch_threads == setting.num_batch_threads


def test_a_setting_that_refuses_or_delays_is_not_chosen():
    points = [point(None, 1, 50, 10), point(None, 32, 60, 500)]
    points += [point(8, 1, 50, 10.5), point(8, 32, 200, 90)]
    points += [point(16, 1, 50, 12), point(16, 32, 300, 90)]
    points += [point(32, 1, 50, 10), point(32, 32, 400, 90, refused=1)]
    assert choose(points) == {"max_batch_size": 8, "batch_timeout_micros": 2000}
    with pytest.raises(ValueError, match="neither refuse"):
        choose(points[:2])


def test_the_page_shows_each_setting_in_a_line():
    points = [point(None, 1, 50, 10), point(8, 1, 60.5, 9, refused=3)]
    page = "<!-- batching:begin -->\nold\n<!-- batching:end -->"
    found = fill_own_page(page, "batching", {**WHERE, "points": points})
    assert "| 2 | - | - | - | - | 50; 10; 20 |\n" in found
    assert "| 2 | 8 | 2000 | 2 | 100 | 60.5; 9; 18; 3 refused |\n" in found
    assert "2 cores of a CPU, TensorFlow 2.21.0, 2026-11-22, commit 0123456." in found
    assert "old" not in found


def test_workers_and_corpora_have_a_line_for_each_size():
    figures = {"tokens_per_second": [900.4, 800, 1000], "peak_mb": [700, 650, 750]}
    found = {**WHERE, "batch": 128, "repeats": 3}
    for name, (median, *spread) in figures.items():
        found |= {f"{name}_2": median, f"{name}_2_spread": spread}
    page = "<!-- workers:begin -->\n<!-- workers:end -->"
    page = fill_own_page(page, "workers", found)
    assert "| 2 | 900 (800, 1,000) | 700 (650, 750) |\n" in page
    assert "Medians of 3 trainings, lowest and highest; batches of 128." in page
    points = [{"pairs": 3000, "mb": {"start": 412.6, "epoch": 430.1}}]
    page = "<!-- corpus_memory:begin -->\n<!-- corpus_memory:end -->"
    page = fill_own_page(page, "corpus_memory", {**WHERE, "points": points})
    assert "| 3,000 | 413 | 430 |\n" in page


@pytest.mark.parametrize("name", BENCHMARKS)
def test_pages_hold_what_the_generator_writes(name):
    page = BENCHMARKS[name][0].read_text(encoding="utf-8")
    assert page == fill_own_page(page, name, read_result(name)), (
        "run `python -m benchmarks.table`"
    )


def test_the_defaults_of_a_deployment_are_those_measured(tmp_path):
    stored = read_result("batching")
    options = DeployOptions(tmp_path)
    if stored is None:  # nothing to follow: then the middle of what is measured
        stored = {"chosen": {"max_batch_size": 32, "batch_timeout_micros": 2000}}
    for name, value in stored["chosen"].items():
        assert getattr(options, name) == value


@pytest.mark.slow
def test_a_short_run():
    done = run_benchmark("batching", *SMALL, "--seconds", 0.5, "--json")
    # So short a time may leave no setting to choose; the rest is measured all the same.
    assert done.returncode == 0 or "neither refuse" in done.stderr, done.stderr
    if done.returncode == 0:
        points = json.loads(done.stdout)["points"]
        assert {each["clients"] for each in points} == set(CLIENTS)
        assert all(each["per_second"] > 0 for each in points)


def test_every_setting_takes_the_warmup_requests_of_a_version():
    sizes = [setting.max_batch_size for setting in plan(2) if setting.parameters]
    assert min(sizes) >= MOST_WARMUP_TEXTS
