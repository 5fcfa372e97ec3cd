"""The tables in pages of their subjects are those of the stored results."""

import pytest

from benchmarks.own_pages import BENCHMARKS, fill_own_page, read_result

WHERE = {
    "command": "python -m benchmarks.batching --json",
    "corpus": "a corpus",
    "commit": "0123456789abcdef",
    "modified": False,
    "versions": {"tensorflow": "2.21.0"},
    "hardware": {"processor": "a CPU", "cores": 2},
    "date": "2026-11-22T10:00:00+00:00",
}


def test_the_page_shows_each_setting_in_a_line():
    alone = dict.fromkeys(
        ("batch_timeout_micros", "num_batch_threads", "max_enqueued_batches"), 0
    )
    batched = dict(zip(alone, (2000, 2, 100), strict=True))
    points = [
        {"max_batch_size": None, **alone, "per_second": 50, "p50_ms": 10, "refused": 0},
        {"max_batch_size": 8, **batched, "per_second": 60.5, "p50_ms": 9, "refused": 3},
    ]
    for each in points:
        each |= {"threads": 2, "clients": 1, "p95_ms": 2 * each["p50_ms"]}
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
    page = "<!-- peers:begin -->\n<!-- peers:end -->"
    results = {**WHERE, "results": [trained, decoded, skipped]}
    page = fill_own_page(page, "peers", results)
    assert "\n| one | 3,000 / 1,500 = 2.00 | 900 / 1,800 = 0.50 |\n" in page
    assert "\n| one | - | - | - | - | - | 20 / 40 = 0.50 |\n" in page
    assert "\nNot measured: other. No such thing.\n" in page


@pytest.mark.parametrize("name", BENCHMARKS)
def test_pages_hold_what_the_generator_writes(name):
    page = BENCHMARKS[name][0].read_text(encoding="utf-8")
    assert page == fill_own_page(page, name, read_result(name)), (
        "run `python -m benchmarks.table`"
    )
