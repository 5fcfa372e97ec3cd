"""The minutes of docs/start.md, made of a stored run of `make newcomer`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.pages import replace_between

__all__ = ["PAGE", "STORED", "fill_start"]

_ROOT = Path(__file__).resolve().parents[1]
PAGE = _ROOT / "docs" / "start.md"
STORED = _ROOT / "benchmarks" / "results" / "newcomer.json"
_BEGIN, _END = "<!-- newcomer:begin -->", "<!-- newcomer:end -->"
_STEPS = {
    "install": "Install",
    "train": "Train",
    "evaluate": "Evaluate",
    "export": "Export",
    "serve": "Start the server, until it answers",
    "ask": "Ask by gRPC: two sentences",
}


def fill_start(page: str, stored: Path = STORED) -> str:
    """Returns docs/start.md with the minutes of the stored run.

    Args:
        page: Its text, with the marks between which the table stands.
        stored: The line that `make newcomer` printed.

    Raises:
        ValueError: If the page lacks a mark.
    """
    if not stored.exists():
        return replace_between(page, _BEGIN, _END, "\nNot measured yet.\n")
    found = json.loads(stored.read_text(encoding="utf-8"))
    return replace_between(page, _BEGIN, _END, f"\n{_table(found)}\n")


def _table(found: Mapping[str, Any]) -> str:
    lines = ["| step | minutes |", "|---|---|"]
    for step, label in _STEPS.items():
        minutes = found["minutes"].get(step)
        shown = "not measured in this run" if minutes is None else f"{minutes:.1f}"
        lines.append(f"| {label} | {shown} |")
    lines.append(f"| All of it | {found['total_minutes']:.1f} |")
    hardware = found["hardware"]
    lines += [
        "",
        f"`{found['command']}`, {found['pairs']:,} pairs, {found['epochs']} epochs, "
        f"{found['params']:,} parameters, BLEU {found['bleu']:.1f} on held-out pairs; "
        f"{hardware['cores']} cores of {hardware['processor']}, "
        f"{found['date'].partition('T')[0]}, commit {str(found['commit'])[:7]}.",
        "",
        "| asked | answered |",
        "|---|---|",
        *(f"| {source} | {text} |" for source, text in found["answers"].items()),
    ]
    return "\n".join(lines)
