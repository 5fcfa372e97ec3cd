"""What every benchmark says beside its numbers: which code, on what, and when."""

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_attn.parallel import cores

__all__ = ["describe_environment", "one_line", "publish"]

_PACKAGES = ("keras", "tensorflow", "tensorflow-text", "numpy", "sacrebleu")
_CODE = ("*.py", "*.toml")
_ROOT = Path(__file__).resolve().parents[1]


def describe_environment(**threads: Any) -> dict[str, Any]:
    """Says by which code, packages and machine a number was made.

    Args:
        **threads: What the benchmark decided about processes and threads.

    Returns:
        Values ready for JSON: `commit` (`None` outside of a checkout) and whether
        code differs from it (`modified`), `versions`, `hardware`, `threads`, and
        `date` in UTC.

    Example:
    >>> found = describe_environment(jobs=2)
    >>> sorted(found)
    ['commit', 'date', 'hardware', 'modified', 'threads', 'versions']
    >>> found["threads"]
    {'jobs': 2}
    """
    # Only code: results that were stored before make no difference to the next ones.
    status = _git("status", "--porcelain", "--untracked-files=no", "--", *_CODE)
    return {
        "commit": _git("rev-parse", "HEAD"),
        "modified": None if status is None else bool(status),
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": {
            "processor": _processor(),
            "cores": cores(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "threads": threads,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(
            timespec="seconds"
        ),
    }


def one_line(values: Mapping[str, Any]) -> str:
    """Returns values as one line of JSON, which is what benchmarks print.

    Raises:
        ValueError: If a number is not finite, which JSON cannot say.
    """
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def publish(
    name: str,
    corpus: str,
    figures: Mapping[str, Any],
    *,
    as_json: bool,
    **threads: Any,
) -> None:
    """Prints the results of a benchmark on standard output.

    Args:
        name: Of the benchmark.
        corpus: What it was measured on.
        figures: Numbers by name; `KEY_spread` is the spread of `KEY`.
        as_json: One line of JSON with all that `describe_environment` says, instead
            of a table of the numbers.
        **threads: What the benchmark decided about processes and threads.
    """
    if not as_json:
        _show(f"{name}, {corpus}", figures)
        return
    command = {"benchmark": name, "command": _command(name), "corpus": corpus}
    print(one_line({**command, **figures, **describe_environment(**threads)}))


def _command(name: str) -> str:
    """Returns what was typed, without where things lie on this machine."""
    words = [_without_folders(word) for word in sys.argv[1:]]
    return " ".join(["python -m", f"benchmarks.{name}", *words])


def _without_folders(word: str) -> str:
    option, equals, value = word.rpartition("=")
    return option + equals + (Path(value).name if os.path.isabs(value) else value)


def _show(title: str, figures: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "median", "lowest", "highest", title=title)
    for name, value in figures.items():
        if isinstance(value, int | float | str):
            row = [value, *figures.get(f"{name}_spread", ["", ""])]
            table.add_row(name, *(_shown(each) for each in row))
    Console().print(table)


def _shown(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:,}" if number else str(value)


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=_ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # not every benchmark needs every package
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"
