"""Tables in Markdown, and pages in which a part between two marks is replaced."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.report import Result


def replace_between(page: str, begin: str, end: str, text: str) -> str:
    """Returns a page with what stands between two marks replaced.

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


def fill(page: str, mark: str, text: str) -> str:
    """Returns a page with the text between `<!-- MARK:begin -->` and `:end`."""
    marks = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    return replace_between(page, *marks, f"\n{text}\n")


def score_cell(runs: Sequence[Result], metric: str) -> str:
    """Returns a score of one seed with its interval, or the mean of several.

    One seed has half of the bootstrap interval beside it, several the lowest and the
    highest.

    Args:
        runs: The scores of each seed.
        metric: Name of one; `METRIC_half_width` is half of its interval.

    Example:
    >>> score_cell([{"bleu": 41.0, "bleu_half_width": 1.5}], "bleu")
    '41.0 ± 1.5'
    >>> score_cell([{"bleu": 41.0}, {"bleu": 42.0}], "bleu")
    '41.5 (41.0, 42.0)'
    """
    scores = [run[metric] for run in runs]
    if len(scores) == 1:
        return f"{scores[0]:.1f} ± {runs[0][f'{metric}_half_width']:.1f}"
    return f"{statistics.fmean(scores):.1f} ({min(scores):.1f}, {max(scores):.1f})"


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


def circumstances(result: Result) -> str:
    """Returns the machine, date and commit of a stored result.

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


def shown_command(result: Result) -> str:
    """Returns the command of a result as it is typed today.

    Results of 0.1.0 name a module for each benchmark, and a folder for pictures.

    Example:
    >>> shown_command({"command": "python -m benchmarks.memory --out pictures --json"})
    'python -m benchmarks memory'
    """
    command = result["command"].replace("-m benchmarks.", "-m benchmarks ")
    return command.removesuffix(" --json").removesuffix(" --out pictures")
