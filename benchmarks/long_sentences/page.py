"""The documentation's table, made of stored results so that nobody types numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.long_sentences.results import KINDS
from benchmarks.pages import markdown_table, replace_between

__all__ = ["render", "write_into_page"]

_BEGIN, _END = "<!-- begin: results -->", "<!-- end: results -->"
_COLUMNS = (
    "sentences a line",
    "source words",
    "attention, BLEU",
    "of its BLEU(1)",
    "plain, BLEU",
    "of its BLEU(1)",
    "largest p",
)


def render(results: Mapping[str, Any], image: str | None = None) -> str:
    """Writes the results as Markdown.

    Args:
        results: What the benchmark stores.
        image: Link to the figure, or `None` for no figure.

    Returns:
        A table of the scores, what was stated and what came of it, and by which
        code and machine it was measured.
    """
    parts = [_table(results["lengths"]), _verdicts(results["stated"])]
    if image is not None:
        parts.insert(1, f"![BLEU against source words]({image})")
    parts += [_control(results["lengths"]), _circumstances(results)]
    return "\n\n".join(parts) + "\n"


def write_into_page(page: Path, text: str) -> None:
    """Replaces what stands between the page's marks for results.

    Raises:
        ValueError: If the page lacks a mark.
    """
    found = page.read_text(encoding="utf-8")
    page.write_text(
        replace_between(found, _BEGIN, _END, f"\n\n{text}\n"), encoding="utf-8"
    )


def _table(lengths):
    rows = []
    for row in lengths:
        joined = f"{row['joined']}" + ("" if row["trained"] else ", never trained")
        cells = [joined, f"{row['source_words']:.1f}"]
        for kind in KINDS:
            cells += [_bleu(row[kind]), _share(row[kind]["share_of_singles"])]
        rows.append([*cells, f"{max(row['p_values']):.3f}"])
    return markdown_table(_COLUMNS, rows)


def _verdicts(stated):
    said = {True: "holds", False: "does not hold", None: "cannot be said"}
    return "\n".join(
        f"- Stated beforehand: {each['claim']}. Measured: {_share(each['share'])}. "
        f"It **{said[each['holds']]}**."
        for each in stated
    )


def _control(lengths):
    longest = [row for row in lengths if row["trained"]][-1]
    scores = " and ".join(
        f"{_bleu(longest[kind]['translated_singly'])} ({kind})" for kind in KINDS
    )
    return (
        f"Control: the same sentences translated one by one and only then put into "
        f"lines of {longest['joined']} score {scores}, so this is what BLEU itself "
        "makes of longer lines."
    )


def _circumstances(results):
    corpus, kinds, found = (results[key] for key in ("corpus", "kinds", "environment"))
    sizes = ", ".join(
        f"{kind} {each['parameters']:,} parameters (decoder of "
        f"{each['decoder_units']} units)"
        for kind, each in kinds.items()
    )
    first = next(iter(kinds.values()))
    seconds = sum(
        run["train_seconds"] for each in kinds.values() for run in each["runs"]
    )
    versions = ", ".join(f"{name} {each}" for name, each in found["versions"].items())
    commit = (found["commit"] or "unknown")[:12]
    if found["modified"]:
        commit += " with changes"
    search = "greedy" if results["beam_size"] == 1 else f"beam {results['beam_size']}"
    too_long = first["lines_too_long"]
    dropped = f" ({too_long:,} too long for training)" if too_long else ""
    lines = [
        f"Corpus: {corpus['name']}, {corpus['languages']}; "
        f"{corpus['train_sentences']:,} sentences in {corpus['train_lines']:,} "
        f"training lines{dropped}; test {corpus['test']}, the same "
        f"{corpus['test_sentences']:,} sentences at every length.",
        f"Models: {sizes}.",
        f"Training: {first['updates']:,} updates each ({first['epochs']} epochs), "
        f"{len(first['runs'])} seeds, {seconds / 60:.0f} minutes of training in all.",
        f"Search: {search}. Score: `{results['bleu_signature']}`.",
        f"Measured at {found['date']} by commit {commit} on "
        f"{found['hardware']['processor']}, {found['hardware']['cores']} cores; "
        f"{versions}.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _bleu(score):
    if score["deviation"] is None:
        return f"{score['mean']:.1f}"
    return f"{score['mean']:.1f} ± {score['deviation']:.1f}"


def _share(value):
    return "-" if value is None else f"{value:.2f}"
