"""Finished contenders in a folder, so that an interrupted benchmark goes on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import describe_environment, one_line
from keras_attn.command_line import atomic_write


def reuse_or_measure(
    path: Path,
    arguments: Mapping[str, Any],
    measure: Callable[[], Mapping[str, Any]],
    log: Callable[[str], None],
) -> dict[str, Any]:
    """Returns a stored outcome of the same arguments, or measures and stores one.

    Args:
        path: File of the outcome. One of other arguments is replaced.
        arguments: All that the outcome depends on but code and machine, for JSON.
        measure: Function that returns an outcome for JSON.
        log: Called with a line that says which of both was done.

    Raises:
        OSError: If the file cannot be written.
    """
    # As they are read back: tuples become lists.
    wanted = json.loads(one_line(arguments))
    stored = _read(path)
    if stored.get("arguments") == wanted:
        commit = str(stored["commit"])[:7]
        log(f"{path} is reused: measured at {stored['date']} by commit {commit}")
        return stored["outcome"]
    if stored:
        names = [
            name
            for name, value in wanted.items()
            if stored.get("arguments", {}).get(name) != value
        ]
        log(f"{path} is replaced: it has another {', '.join(names) or 'form'}")
    outcome = dict(measure())
    environment = describe_environment()
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "arguments": wanted,
        "commit": environment["commit"],
        "date": environment["date"],
        "outcome": outcome,
    }
    with atomic_write(path) as temporary:
        temporary.write_text(one_line(values) + "\n", encoding="utf-8")
    return outcome


def _read(path: Path) -> dict[str, Any]:
    """Returns what a file holds; nothing if it is missing or damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
