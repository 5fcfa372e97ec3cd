"""What every benchmark says beside its numbers: which code, on what, and when."""

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["describe_environment", "one_line"]

_PACKAGES = ("keras", "tensorflow", "tensorflow-text", "numpy", "sacrebleu")
_ROOT = Path(__file__).resolve().parents[1]


def describe_environment(**threads: Any) -> dict[str, Any]:
    """Says by which code, packages and machine a number was made.

    Args:
        **threads: What the benchmark decided about processes and threads.

    Returns:
        Values ready for JSON: `commit` (`None` outside of a checkout) and whether
        files differ from it, `versions`, `hardware`, `threads`, and `date` in UTC.

    Example:
    >>> found = describe_environment(jobs=2)
    >>> sorted(found)
    ['commit', 'date', 'hardware', 'modified', 'threads', 'versions']
    >>> found["threads"]
    {'jobs': 2}
    """
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "modified": None if status is None else bool(status),
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": {
            "processor": _processor(),
            "cores": _cores(),
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


def _cores() -> int:
    # A container may use fewer cores than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
