"""docs/results.md, made of stored results: nobody types numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.pages import circumstances, markdown_table, replace_between

__all__ = ["PAGE", "STORE", "fill_page"]

_ROOT = Path(__file__).resolve().parents[2]
PAGE = _ROOT / "docs" / "results.md"
STORE = _ROOT / "benchmarks" / "results" / "translation"
_BEGIN, _END = "<!-- results:begin -->", "<!-- results:end -->"
_SCORES = {
    "bleu": "BLEU",
    "bleu_lowercase": "BLEU, lower-cased",
    "chrf": "chrF2",
    "ter": "TER",
}


def fill_page(page: str, results: Sequence[Mapping[str, Any]]) -> str:
    """Returns the page with its results made anew.

    Args:
        page: Its text, with the marks between which the results stand.
        results: From `benchmarks.pages.read_stored`.

    Raises:
        ValueError: If the page lacks a mark.
    """
    parts = [_overview(results), *map(_details, results)]
    if not results:
        parts = ["Not measured yet: `make results DATA=multi30k LONG=help`."]
    return replace_between(page, _BEGIN, _END, "\n" + "\n\n".join(parts) + "\n")


def _overview(results):
    rows = [
        [
            each["label"],
            each["scores"]["data"],
            *(_interval(each["scores"], name) for name in _SCORES),
            f"{each['greedy_bleu']:.1f}",
            f"{each['training']['train_seconds'] / 60:.0f} min",
        ]
        for each in results
    ]
    head = ["corpus", "test", *_SCORES.values(), "BLEU, greedy", "training"]
    return markdown_table(head, rows)


def _interval(scores, name):
    return f"{scores[name]:.1f} ± {scores[f'{name}_half_width']:.1f}"


def _details(result):
    scores, training = result["scores"], result["training"]
    commands = "\n".join(["```text", *result["commands"], "```"])
    bins = markdown_table(
        ["source words", "sentences", "BLEU", "lower-cased"],
        [
            [
                f"{each['from']} to {each['to']}"
                if each["to"]
                else f"{each['from']} on",
                str(each["sentences"]),
                f"{each['bleu']:.1f}",
                f"{each['bleu_lowercase']:.1f}",
            ]
            for each in scores["by_length"]
        ],
    )
    signatures = "\n".join(f"- `{scores[f'{name}_signature']}`" for name in _SCORES)
    facts = (
        f"{training['params']:,} parameters, {training['train_pairs']:,} pairs, "
        f"{training['epochs']} epochs, the best one {training['best_epoch']}; "
        f"{circumstances(result)}."
    )
    return "\n\n".join([f"### {result['label']}", commands, facts, bins, signatures])
