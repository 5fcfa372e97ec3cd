"""The page of a run, `report.html`: one file that any browser displays offline."""

import dataclasses
import html
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

from keras_attn.plotting.page import attention_parts, whole_page
from keras_attn.training.runs.curves import curves_svg
from keras_attn.training.runs.run_record import RunRecord

__all__ = ["report_html"]

_CURVES = {
    "Loss": "loss",
    "Perplexity": "perplexity",
    "Token accuracy": "token_accuracy",
    "BLEU, greedy": "bleu",
    "Target tokens a second": "tokens_per_second",
}
_SCORES = {
    "bleu": "BLEU",
    "bleu_lowercase": "lower-cased",
    "chrf": "chrF2",
    "ter": "TER",
}


def report_html(record: RunRecord) -> str:
    """Returns a run as a self-contained HTML page.

    It loads nothing, follows the browser's light or dark colours, and can be printed.
    Sentences may be hostile: everything is escaped, and only the page's own style and
    script run.

    Args:
        record: The run, from `read_run`.

    Returns:
        The document; write it as UTF-8.

    Raises:
        ValueError: If tokens and attention of a sample disagree in length.
    """
    parts = attention_parts([by_epoch[-1][2] for by_epoch in record.samples.values()])
    sections = {
        "Scores": _scores(record),
        "Curves": _curves(record),
        "Recipe: what differs from the defaults": _recipe(record),
        "Environment": _table((), _environment(record)),
        "Samples: validation sentences, greedy": _samples(record, parts.maps),
    }
    body = f'<p class="state">{_escape(_state(record))}</p>\n' + "\n".join(
        f"<h2>{_escape(heading)}</h2>\n{content}"
        for heading, content in sections.items()
    )
    style = parts.style + resources.files(__package__).joinpath("report.css").read_text(
        encoding="utf-8"
    )
    return whole_page(f"Run {record.name}", style, parts.script, body)


def _state(record):
    done = sum(metrics["epoch"] > 0 for metrics in record.history)
    epochs = f"{done} of {record.recipe.training.epochs} epochs"
    if not record.is_finished:
        return f"Not finished: {epochs} so far."
    report = record.report
    if not report:  # killed just before it was written
        return f"Finished after {epochs}."
    metrics = ", ".join(
        f"{'BLEU' if name == 'bleu' else name.replace('_', ' ')} {value:.4g}"
        for name, value in report["validation"].items()
    )
    return (
        f"Finished after {epochs}; the best one is epoch {report['best_epoch']}, "
        f"with validation {metrics}."
    )


def _scores(record):
    if not record.scores:
        return "<p>None yet. <code>keras-attn evaluate</code> adds them.</p>"
    rows = []
    for values in record.scores:
        row = [values["data"], _search(values), values["sentences"]]
        row += [
            f"{values[name]:.1f} ± {values[f'{name}_half_width']:.1f}"
            for name in _SCORES
        ]
        rows.append([*row, f"{values['aer']:.3f}" if "aer" in values else "-"])
    head = ["data", "search", "sentences", *_SCORES.values(), "AER"]
    signatures = dict.fromkeys(
        values[f"{name}_signature"] for values in record.scores for name in _SCORES
    )
    lines = "\n".join(f'<p class="signature">{_escape(s)}</p>' for s in signatures)
    return f"{_table(head, rows)}\n<p>± is half of the 95 % interval.</p>\n{lines}"


def _search(values):
    """Names what was evaluated, in a cell of a table."""
    sampled, mbr = "temperature" in values, values.get("mbr")
    if mbr is not None:
        return f"MBR of {mbr} samples" if sampled else f"MBR of {mbr}"
    return "sample" if sampled else f"beam {values.get('beam_size')}"


def _curves(record):
    pictures = []
    for title, name in _CURVES.items():
        series = {
            side: [
                (epoch["epoch"], epoch[prefix + name])
                for epoch in record.history
                if prefix + name in epoch
            ]
            for side, prefix in (("train", ""), ("validation", "val_"))
        }
        pictures.append(curves_svg(title, series))
    if not any(pictures):
        return "<p>No epoch is finished yet.</p>"
    columns = list(dict.fromkeys(name for epoch in record.history for name in epoch))
    rows = [
        [f"{epoch[name]:.5g}" if name in epoch else "" for name in columns]
        for epoch in record.history
    ]
    table = f'<div class="scroll wide">{_table(columns, rows)}</div>'
    return (
        '<div class="curves">\n' + "\n".join(filter(None, pictures)) + "\n</div>\n"
        f"<details><summary>All metrics</summary>{table}</details>"
    )


def _recipe(record):
    rows = []
    for section in dataclasses.fields(record.recipe):
        options = getattr(record.recipe, section.name)
        for field in dataclasses.fields(options):
            value = getattr(options, field.name)
            if value != field.default:
                name = f"{section.name}.{field.name}"
                default = _option_text(field.default)
                rows.append([name, _option_text(value), default])
    toml = _escape(record.recipe.to_toml())
    return (
        f"{_table(['option', 'value', 'default'], rows)}\n"
        f"<details><summary>All options</summary><pre>{toml}</pre></details>"
    )


def _environment(record):
    names = ("params", "train_pairs", "train_seconds", "target_tokens_per_second")
    sizes = {name: record.report[name] for name in names if name in record.report}
    return [[name, value] for name, value in {**record.environment, **sizes}.items()]


def _samples(record, maps):
    if not record.samples:
        return (
            "<p>None. <code>training.samples=3</code> translates three sentences after "
            "each epoch.</p>"
        )
    tables = [
        f"<details><summary>{_escape(source)}</summary>\n"
        + _table(
            ["epoch", "translation"],
            [
                ["reference", by_epoch[-1][1]],
                *([epoch, translation.text] for epoch, _, translation in by_epoch),
            ],
        )
        + "</details>"
        for source, by_epoch in record.samples.items()
    ]
    return "<h3>Epoch by epoch</h3>\n" + "\n".join(tables) + f"\n{maps}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    cells = "".join(f'<th scope="col">{_escape(name)}</th>' for name in head)
    body = "\n".join(
        "<tr>"
        + "".join(f'<td dir="auto">{_escape(value)}</td>' for value in row)
        + "</tr>"
        for row in rows
    )
    return (
        f'<table class="values"><thead><tr>{cells}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table>"
    )


def _option_text(value):
    if value is dataclasses.MISSING:
        return "must be set"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _escape(value):
    return html.escape(str(value).encode("utf-8", "replace").decode("utf-8"))
