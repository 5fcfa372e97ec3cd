"""The tables of README and docs, made of stored results: nobody types numbers.

`python -m benchmarks.table` writes them from `benchmarks/results/*.json`, one line that
a benchmark printed with `--json` in each file.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.newcomer import PAGE, STORED, fill_start
from benchmarks.own_pages import (
    BENCHMARKS,
    fill_own_page,
    read_result,
)
from benchmarks.pages import circumstances, markdown_table, replace_between
from benchmarks.rows import COMMANDS, ROWS

__all__ = ["PAGES", "fill_page", "read_results"]

_ROOT = Path(__file__).resolve().parents[1]
_BEGIN, _END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
_COLUMNS = ("what", "median (lowest, highest)", "command", "corpus, hardware, date")
_AGAIN = "the same"

# The pages, and whether each shows the headlines only.
PAGES = {_ROOT / "README.md": True, _ROOT / "docs" / "speed.md": False}

Results = Mapping[str, Any]


def read_results(folder: Path = _ROOT / "benchmarks" / "results") -> list[Results]:
    """Returns what is stored, in the order of the file names.

    Raises:
        ValueError: If a file is no result of a benchmark of the tables.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        if path.stem in BENCHMARKS or path.name == STORED.name:
            continue  # these have tables of their own
        results = json.loads(path.read_text(encoding="utf-8"))
        if results.get("benchmark") not in COMMANDS:
            raise ValueError(
                f"A stored result is of {', '.join(COMMANDS)}. Received: "
                f"benchmark={results.get('benchmark')!r} in {path.name}."
            )
        found.append(results)
    return found


def fill_page(page: str, results: Sequence[Results], headlines: bool) -> str:
    """Returns a page with its table made anew.

    Args:
        page: Its text, with the marks between which the table stands.
        results: From `read_results`.
        headlines: Whether to show the most important figures only.

    Raises:
        ValueError: If the page lacks a mark.
    """
    rows = []
    for name, command in COMMANDS.items():
        stored = [each for each in results if each["benchmark"] == name]
        for each in stored:
            rows += _rows(each, headlines)
        if not stored:
            rows.append([name, "not measured yet", f"`{command}`", ""])
    table = markdown_table(_COLUMNS, rows)
    return replace_between(page, _BEGIN, _END, f"\n{table}\n")


def _rows(results: Results, headlines: bool) -> list[list[str]]:
    rows = []
    command = f"`{results['command'].removesuffix(' --json')}`"
    where = f"{results['corpus']}, {circumstances(results)}"
    for row in ROWS:
        if row.benchmark != results["benchmark"] or (headlines and not row.headline):
            continue
        figures = row.figures(results)
        if figures is not None:
            label = row.label.format_map(results)
            rows.append([label, figures, command, where])
            command = where = _AGAIN
    return rows


def main() -> None:
    """Writes the tables."""
    results = read_results()
    for path, headlines in PAGES.items():
        page = path.read_text(encoding="utf-8")
        path.write_text(fill_page(page, results, headlines), encoding="utf-8")
    for name, (path, _) in BENCHMARKS.items():
        page = path.read_text(encoding="utf-8")
        page = fill_own_page(page, name, read_result(name))
        path.write_text(page, encoding="utf-8")
    page = fill_start(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
