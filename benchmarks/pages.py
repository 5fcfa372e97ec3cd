"""Writing stored results into pages of the documentation."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["circumstances", "markdown_table", "read_stored", "replace_between"]


def read_stored(folder: Path) -> list[Mapping[str, Any]]:
    """Returns the results of a folder, one line of JSON a file, by name."""
    paths = sorted(folder.glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def replace_between(page: str, begin: str, end: str, text: str) -> str:
    """Returns a page with what stands between two marks replaced.

    Args:
        page: The whole page.
        begin: The first mark, which stays.
        end: The second one, likewise.
        text: What to put between them.

    Raises:
        ValueError: If the page lacks a mark.

    Example:
    >>> replace_between("a <1> old <2> b", "<1>", "<2>", " new ")
    'a <1> new <2> b'
    """
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise ValueError(
            f"A page with results holds {begin} and, further down, {end}. "
            f"Received: {page[:60]!r}..."
        )
    return f"{before}{begin}{text}{end}{after}"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Returns a table in Markdown.

    Example:
    >>> print(markdown_table(["pairs", "MB"], [["1,000", 400]]))
    | pairs | MB |
    | --- | --- |
    | 1,000 | 400 |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def circumstances(result: Mapping[str, Any]) -> str:
    """Says on what, when and with what a result was measured.

    Args:
        result: With what `benchmarks.report.describe_environment` says.

    Example:
    >>> circumstances({
    ...     "hardware": {"cores": 2, "processor": "AMD EPYC"},
    ...     "versions": {"tensorflow": "2.21.0"}, "date": "2026-11-23T04:55:02+00:00",
    ...     "commit": "ecce48f57508", "modified": False,
    ... })
    '2 cores of AMD EPYC, TensorFlow 2.21.0, 2026-11-23, commit ecce48f'
    """
    hardware = result["hardware"]
    date, _, _ = result["date"].partition("T")
    parts = [
        f"{hardware['cores']} cores of {hardware['processor']}",
        f"TensorFlow {result['versions']['tensorflow']}",
        date,
    ]
    if result["commit"]:
        changed = " with changes" if result["modified"] else ""
        parts.append(f"commit {result['commit'][:7]}{changed}")
    return ", ".join(parts)
