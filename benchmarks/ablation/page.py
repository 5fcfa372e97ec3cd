"""docs/ablation.md, made of stored results: nobody types numbers."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.ablation.switches import BASELINE, SWITCHES
from benchmarks.pages import markdown_table, replace_between

__all__ = ["PAGE", "STORE", "fill_page"]

_ROOT = Path(__file__).resolve().parents[2]
PAGE = _ROOT / "docs" / "ablation.md"
STORE = _ROOT / "benchmarks" / "results" / "ablation"
_BEGIN, _END = "<!-- ablation:begin -->", "<!-- ablation:end -->"
_HEAD = (
    "change",
    "BLEU, beam 5",
    "less the recipe's",
    "p",
    "chrF2",
    "BLEU, greedy",
    "AER",
    "training",
)
_NONE = "-"


def fill_page(page: str, results: Sequence[Mapping[str, Any]]) -> str:
    """Returns the page with its table made anew.

    Args:
        page: Its text, with the marks between which the table stands.
        results: From `benchmarks.pages.read_stored`.

    Raises:
        ValueError: If the page lacks a mark.
    """
    if not results:
        text = "Not measured yet: `make ablation`."
        return replace_between(page, _BEGIN, _END, f"\n{text}\n")
    by_switch = {
        switch.name: [each for each in results if each["switch"] == switch.name]
        for switch in SWITCHES
    }
    base = by_switch[BASELINE.name]
    rows = [_row(runs, base) for runs in by_switch.values() if runs]
    text = f"{_circumstances(results)}\n\n{markdown_table(_HEAD, rows)}"
    return replace_between(page, _BEGIN, _END, f"\n{text}\n")


def _row(runs, base):
    label = runs[0]["label"]
    if runs[0]["overrides"]:
        label += f": `{' '.join(runs[0]['overrides'])}`"
    minutes = statistics.fmean(each["train_seconds"] for each in runs) / 60
    aer = [each["aer"] for each in runs if each["aer"] is not None]
    return [
        label,
        _score(runs, "beam", "bleu"),
        _difference(runs, base),
        _p_values(runs),
        _score(runs, "beam", "chrf"),
        _score(runs, "greedy", "bleu"),
        f"{statistics.fmean(aer):.3f}" if aer else _NONE,
        f"{minutes:.1f} min",
    ]


def _score(runs, search, metric):
    """One seed: half of the bootstrap interval; several: the lowest and highest."""
    found = [each[search][metric] for each in runs]
    if len(found) == 1:
        half = runs[0][search][f"{metric}_half_width"]
        return f"{found[0]:.1f} ± {half:.1f}"
    mean = statistics.fmean(found)
    return f"{mean:.1f} ({min(found):.1f}, {max(found):.1f})"


def _difference(runs, base):
    """Returns the mean over the seeds that both have."""
    of_base = {each["seed"]: each["beam"]["bleu"] for each in base}
    apart = [
        each["beam"]["bleu"] - of_base[each["seed"]]
        for each in runs
        if each["seed"] in of_base
    ]
    if not apart or runs[0]["switch"] == BASELINE.name:
        return _NONE
    return f"{statistics.fmean(apart):+.1f}"


def _p_values(runs):
    found = [each["p_value"] for each in runs if each["p_value"] is not None]
    return ", ".join(f"{each:.3f}" for each in found) or _NONE


def _circumstances(results):
    corpora = sorted({each["corpus"] for each in results})
    seeds = sorted({each["seed"] for each in results})
    updates = sorted({each["updates"] for each in results})
    last = max(results, key=lambda each: each["date"])
    hardware = last["hardware"]
    date, _, _ = last["date"].partition("T")
    parts = [
        f"Corpus: {', '.join(corpora)}",
        f"{last['beam']['sentences']:,} test sentences",
        f"seeds {', '.join(map(str, seeds))}",
        f"{', '.join(f'{each:,}' for each in updates)} updates each",
        f"{hardware['cores']} cores of {hardware['processor']}",
        f"TensorFlow {last['versions']['tensorflow']}",
        date,
    ]
    commits = sorted({each["commit"][:7] for each in results if each["commit"]})
    if commits:
        changed = " with changes" if any(each["modified"] for each in results) else ""
        parts.append(f"commit {', '.join(commits)}{changed}")
    return "; ".join(parts) + "."
