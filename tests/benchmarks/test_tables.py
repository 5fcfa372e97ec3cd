"""The tables of README and docs are those that the stored results make."""

import json
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.report import RESULTS, ROOT, read_result
from benchmarks.tables import COMMANDS, ROWS, speed_table

CIRCUMSTANCES = {
    "command": "python -m benchmarks.memory --repeats 5 --json",
    "corpus": "a corpus",
    "commit": "0123456789abcdef",
    "modified": True,
    "versions": {"tensorflow": "2.21.0"},
    "hardware": {"processor": "a CPU", "cores": 2},
    "date": "2026-11-22T10:00:00+00:00",
}
MEMORY = {
    **CIRCUMSTANCES,
    "exponent_batch": 1.0,
    "exponent_batch_spread": [0.98, 1.02],
    "exponent_source": 0.5,
    "exponent_target": 0.75,
    "mb_per_batch_token": 0.125,
}


def test_pages_hold_the_tables_of_the_stored_results():
    for path, text in tables.drawn_pages().items():
        page = Path(ROOT / path).read_text(encoding="utf-8")
        assert page == text, f"{path}: run `python -m benchmarks table`"


def test_every_stored_result_is_drawn():
    for path in RESULTS.glob("*.json"):
        assert path.stem in {*COMMANDS, *tables.SECTIONS}
        stored = json.loads(path.read_text(encoding="utf-8"))
        assert stored.get("benchmark") == path.stem


def test_without_results_every_benchmark_is_not_measured_yet():
    text = speed_table({}, headlines=False)
    assert text.count("not measured yet") == len(COMMANDS)
    assert "`python -m benchmarks scaling`" in text


def test_a_number_has_spread_command_hardware_and_date():
    text = speed_table({"memory": MEMORY}, headlines=False)
    assert (
        "| 1.00 (0.98, 1.02); 0.50; 0.75 | `python -m benchmarks memory --repeats 5` | "
        "a corpus, 2 cores of a CPU, TensorFlow 2.21.0, 2026-11-22, commit 0123456 "
        "with changes |\n"
    ) in text
    assert "| 0.1250 | the same | the same |\n" in text
    assert text.count("not measured yet") == len(COMMANDS) - 1


def test_headlines_are_fewer():
    text = speed_table({"memory": MEMORY}, headlines=True)
    assert "1.00 (0.98, 1.02)" in text
    assert "0.1250" not in text


def test_missing_metrics_are_left_out():
    fewer = {key: MEMORY[key] for key in MEMORY if key != "exponent_target"}
    text = speed_table({"memory": fewer}, headlines=False)
    assert "0.98" not in text
    assert "0.1250" in text


def test_every_benchmark_of_the_table_has_a_headline():
    assert list(ROWS) == list(COMMANDS)
    assert all(any(row.headline for row in rows) for rows in ROWS.values())


def test_batching_has_a_line_for_each_setting():
    alone = dict.fromkeys(
        ("batch_timeout_micros", "num_batch_threads", "max_enqueued_batches"), 0
    )
    batched = dict(zip(alone, (2000, 2, 100), strict=True))
    points = [
        {"max_batch_size": None, **alone, "per_second": 50, "p50_ms": 10, "refused": 0},
        {"max_batch_size": 8, **batched, "per_second": 60.5, "p50_ms": 9, "refused": 3},
    ]
    for point in points:
        point |= {"threads": 2, "clients": 1, "p95_ms": 2 * point["p50_ms"]}
    text = tables.batching_section({**CIRCUMSTANCES, "points": points})
    assert "| 2 | - | - | - | - | 50; 10; 20 |\n" in text
    assert "| 2 | 8 | 2000 | 2 | 100 | 60.5; 9; 18; 3 refused |\n" in text
    assert "2 cores of a CPU, TensorFlow 2.21.0, 2026-11-22, commit 0123456" in text


def test_workers_and_corpora_have_a_line_for_each_size():
    metrics = {"tokens_per_second": [900.4, 800, 1000], "peak_mb": [700, 650, 750]}
    result = {**CIRCUMSTANCES, "batch": 128, "repeats": 3}
    for name, (median, *spread) in metrics.items():
        result |= {f"{name}_2": median, f"{name}_2_spread": spread}
    text = tables.workers_section(result)
    assert "| 2 | 900 (800, 1,000) | 700 (650, 750) |\n" in text
    assert "Medians of 3 trainings, lowest and highest; batches of 128." in text
    points = [{"pairs": 3000, "mb": {"start": 412.6, "epoch": 430.1}}]
    text = tables.corpus_memory_section({**CIRCUMSTANCES, "points": points})
    assert "| 3,000 | 413 | 430 |\n" in text


def test_peers_have_a_line_for_each_task():
    trained = {
        "peer": "one",
        "task": "train",
        "ours": {"tokens_per_s": 3000.4, "peak_rss_mb": 900},
        "theirs": {"tokens_per_s": [1000, 1500, 2000], "peak_rss_mb": 1800},
        "ratio": {"tokens_per_s": 2.0, "peak_rss_mb": 0.5},
    }
    decoded = {
        "peer": "one",
        "task": "decode",
        "ours": {"batch1_ms": 20},
        "theirs": {"batch1_ms": 40, "beam5_tokens_per_s": None},
        "ratio": {"batch1_ms": 0.5},
    }
    skipped = {"peer": "other", "skipped": "No such thing."}
    results = {**CIRCUMSTANCES, "results": [trained, decoded, skipped]}
    text = tables.peers_section(results)
    assert "\n| one | 3,000 / 1,500 = 2.00 | 900 / 1,800 = 0.50 |\n" in text
    assert "\n| one | - | - | - | - | - | 20 / 40 = 0.50 |\n" in text
    assert "\nNot measured: other. No such thing.\n" in text


def test_a_page_needs_its_marks():
    for page in ("no marks", "<!-- x:end --> <!-- x:begin -->"):
        with pytest.raises(ValueError, match=r"further down.*Received: '"):
            tables.fill(page, "x", "text")


def test_a_result_that_is_not_stored_is_none(tmp_path):
    assert read_result("memory", tmp_path) is None
