"""The tables that stand in pages of their subjects, made of stored results."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.batching.plan import Setting
from benchmarks.corpus_memory.stages import stages_table
from benchmarks.pages import circumstances, markdown_table, replace_between
from benchmarks.peers.results import median_of

__all__ = ["BENCHMARKS", "fill_own_page", "read_result"]

_ROOT = Path(__file__).resolve().parents[1]

Results = Mapping[str, Any]

# The page of each benchmark, and how it is run.
BENCHMARKS = {
    "soak": (_ROOT / "docs" / "serving.md", "make soak"),
    "batching": (_ROOT / "docs" / "deploy.md", "make bench-batching"),
    "workers": (_ROOT / "docs" / "many-workers.md", "make bench-workers"),
    "corpus_memory": (_ROOT / "docs" / "corpora.md", "make bench-corpora"),
    "peers": (_ROOT / "docs" / "peers.md", "make bench-peers"),
}


def read_result(
    name: str, folder: Path = _ROOT / "benchmarks" / "results"
) -> Results | None:
    """Returns what is stored of a benchmark; `None`: nothing yet.

    Args:
        name: One of `BENCHMARKS`.
        folder: Where results are stored.
    """
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def fill_own_page(page: str, name: str, results: Results | None) -> str:
    """Returns a page with the table of a benchmark made anew.

    Args:
        page: Its text, with the marks between which the table stands.
        name: One of `BENCHMARKS`.
        results: From `read_result`.

    Raises:
        ValueError: If the page lacks a mark.
    """
    if results is None:
        text = f"Not measured yet: `{BENCHMARKS[name][1]}`."
    else:
        text = _TABLES[name](results)
    marks = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    return replace_between(page, *marks, f"\n{text}\n")


def _soak(results: Results) -> str:
    memory = max(results["server_mib"], key=lambda each: each.get("most", 0))
    rows = {
        "requests": f"{results['requests']:,}",
        "answered right": f"{results['right']:,}",
        "answered wrong": results["wrong"],
        "lost": results["lost"],
        "failed while the server was down": _counts(results["failed"]),
        "failed at another time": _counts(results["failed_unexpectedly"]),
        "odd requests: malformed, oversized, cancelled": "; ".join(
            f"{fault}: {_counts(counts)}"
            for fault, counts in sorted(results["odd_requests"].items())
        ),
        "versions swapped; corrupt ones dropped in; kills": (
            f"{results['versions_swapped']}; {results['corrupt_versions']}; "
            f"{results['restarts']}"
        ),
        "requests a second, 1 to 4 texts each": results["requests_per_second"],
        "latency, 50th; 95th; 99th percentile: ms": (
            f"{results['p50_ms']}; {results['p95_ms']}; {results['p99_ms']}"
        ),
        "memory of the server, first; last; most: MiB": (
            f"{memory.get('first')}; {memory.get('last')}; {memory.get('most')}"
        ),
        "the same, medians of the quarters of its life: MiB": "; ".join(
            map(str, memory.get("quarters", []))
        )
        or "too short to tell",
    }
    table = markdown_table(["what", ""], rows.items())
    return f"{table}\n\n{_circumstances(results)}"


def _batching(results: Results) -> str:
    clients = sorted({point["clients"] for point in results["points"]})
    names = [field.name for field in dataclasses.fields(Setting)]
    settings: dict[tuple, list[str]] = {}
    for point in results["points"]:
        alone = point["max_batch_size"] is None
        key = tuple(
            "-" if alone and name != "threads" else str(point[name]) for name in names
        )
        cell = f"{point['per_second']}; {point['p50_ms']}; {point['p95_ms']}"
        if point["refused"]:
            cell += f"; {point['refused']} refused"
        settings.setdefault(key, []).append(cell)
    heads = [f"`{name}`" for name in names] + [f"{count} clients" for count in clients]
    table = markdown_table(heads, ([*key, *cells] for key, cells in settings.items()))
    told = "Requests a second; 50th and 95th percentile of their time in ms."
    return f"{table}\n\n{told} {_circumstances(results)}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "0"


def _circumstances(results: Results) -> str:
    corpus = f" on {results['corpus']}" if "corpus" in results else ""
    return f"`{results['command']}`{corpus}, {circumstances(results)}."


def _workers(results: Results) -> str:
    counts = [key.rpartition("_")[2] for key in results if key.startswith("peak_mb_")]
    rows = [
        [
            count,
            _with_spread(results, f"tokens_per_second_{count}"),
            _with_spread(results, f"peak_mb_{count}"),
        ]
        for count in counts
        if count.isdecimal()
    ]
    head = ["processes", "target tokens a second", "peak memory of each: MB"]
    told = (
        f"Medians of {results['repeats']} trainings, lowest and highest; batches of "
        f"{results['batch']}."
    )
    return f"{markdown_table(head, rows)}\n\n{told} {_circumstances(results)}"


def _with_spread(results: Results, key: str) -> str:
    low, high = results[f"{key}_spread"]
    return f"{results[key]:,.0f} ({low:,.0f}, {high:,.0f})"


def _corpus_memory(results: Results) -> str:
    told = "Peak of resident memory, MB."
    return f"{stages_table(results['points'])}\n\n{told} {_circumstances(results)}"


# What a table of peers shows of each task: a measure, and how it is called.
_MEASURES = {
    "train": {
        "tokens_per_s": "training: target tokens a second",
        "peak_rss_mb": "most memory in training, MB",
    },
    "decode": {
        "greedy_sentences_per_s": "greedy: sentences a second",
        "greedy_tokens_per_s": "tokens a second",
        "output_tokens": "pieces a translation",
        "beam5_sentences_per_s": "beam 5: sentences a second",
        "beam5_tokens_per_s": "tokens a second",
        "batch1_ms": "a sentence alone, ms",
    },
}


def _peers(results: Results) -> str:
    """A table for each task: a peer a line, `ours / theirs = ratio` in its cells."""
    measured = [each for each in results["results"] if "skipped" not in each]
    parts = []
    for task, measures in _MEASURES.items():
        rows = [
            [each["peer"], *(_against(each, measure) for measure in measures)]
            for each in measured
            if each["task"] == task
        ]
        if rows:
            parts.append(markdown_table(["peer", *measures.values()], rows))
    parts += [
        f"Not measured: {each['peer']}. {each['skipped']}"
        for each in results["results"]
        if "skipped" in each
    ]
    told = "Ours / theirs = their ratio; `-`: the peer has no such thing."
    return "\n\n".join([*parts, f"{told} {_circumstances(results)}"])


def _against(each: Results, measure: str) -> str:
    if measure not in each["ratio"]:
        return "-"
    ours, theirs = each["ours"][measure], median_of(each["theirs"][measure])
    return f"{ours:,.0f} / {theirs:,.0f} = {each['ratio'][measure]:.2f}"


_TABLES = {
    "peers": _peers,
    "soak": _soak,
    "batching": _batching,
    "workers": _workers,
    "corpus_memory": _corpus_memory,
}
