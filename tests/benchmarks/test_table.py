"""The tables of README and docs/speed.md are those that the stored results make."""

import json

import pytest

from benchmarks.newcomer import PAGE, STORED, fill_start
from benchmarks.rows import COMMANDS, ROWS
from benchmarks.table import PAGES, fill_page, read_results

EMPTY = "a\n<!-- benchmarks:begin -->\nold\n<!-- benchmarks:end -->\nb\n"
MEMORY = {
    "benchmark": "memory",
    "command": "python -m benchmarks.memory --out there --json",
    "corpus": "random ids",
    "exponent_batch": 1.0,
    "exponent_batch_spread": [0.98, 1.02],
    "exponent_source": 0.5,
    "exponent_target": 0.75,
    "mb_per_batch_token": 0.125,
    "commit": "0123456789abcdef",
    "modified": True,
    "versions": {"tensorflow": "2.21.0"},
    "hardware": {"processor": "a CPU", "cores": 2},
    "date": "2026-11-22T10:00:00+00:00",
}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_hold_what_the_generator_writes(path):
    page = path.read_text(encoding="utf-8")
    assert page == fill_page(page, read_results(), PAGES[path]), (
        "run `python -m benchmarks.table`"
    )


def test_the_minutes_of_a_newcomer_are_those_that_are_stored():
    page = PAGE.read_text(encoding="utf-8")
    assert page == fill_start(page), "run `python -m benchmarks.table`"
    if STORED.exists():
        spent = json.loads(STORED.read_text("utf-8"))["minutes"]
        for minutes in spent.values():
            assert f" | {minutes:.1f} |" in page


def test_without_results_every_benchmark_is_not_measured_yet():
    page = fill_page(EMPTY, [], headlines=False)
    assert page.startswith("a\n<!-- benchmarks:begin -->\n| what |")
    assert page.endswith(" |\n<!-- benchmarks:end -->\nb\n")
    assert page.count("not measured yet") == len(COMMANDS)
    assert "old" not in page


def test_a_number_has_spread_command_hardware_and_date():
    page = fill_page(EMPTY, [MEMORY], headlines=False)
    assert (
        "| 1.00 (0.98, 1.02); 0.50; 0.75 | `python -m benchmarks.memory --out there` | "
        "random ids, 2 cores of a CPU, TensorFlow 2.21.0, 2026-11-22, commit 0123456 "
        "with changes |\n"
    ) in page
    assert "| 0.1250 | the same | the same |\n" in page
    assert page.count("not measured yet") == len(COMMANDS) - 1


def test_headlines_are_fewer():
    page = fill_page(EMPTY, [MEMORY], headlines=True)
    assert "1.00 (0.98, 1.02)" in page
    assert "0.1250" not in page


def test_what_was_not_measured_is_left_out():
    fewer = {name: each for name, each in MEMORY.items() if name != "exponent_target"}
    page = fill_page(EMPTY, [fewer], headlines=False)
    assert "0.98" not in page
    assert "0.1250" in page


def test_rows_are_of_known_benchmarks_and_each_has_a_headline():
    assert {row.benchmark for row in ROWS} == set(COMMANDS)
    assert {row.benchmark for row in ROWS if row.headline} == set(COMMANDS)


def test_a_result_of_another_benchmark_is_refused(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"benchmark": "y"}))
    with pytest.raises(ValueError, match=r"Received: benchmark='y' in x\.json"):
        read_results(tmp_path)


def test_a_page_needs_its_marks():
    with pytest.raises(ValueError, match=r"further down.*Received: 'no marks'"):
        fill_page("no marks", [], headlines=False)
