"""Results: what is stored beside the numbers, how they are printed and read back."""

import datetime
import importlib.metadata
import itertools
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_attn.parallel import cores

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
Result = Mapping[str, Any]

_PACKAGES = ("keras", "tensorflow", "tensorflow-text", "numpy", "sacrebleu")
_CODE = ("*.py", "*.toml")


def describe_environment(**threads: Any) -> dict[str, Any]:
    """Returns the code, packages and machine that a number was measured with.

    Args:
        **threads: What the benchmark decided about processes and threads.

    Returns:
        Values ready for JSON: `commit` (`None` outside of a checkout) and whether
        code differs from it (`modified`), `versions`, `hardware`, `threads`, and
        `date` in UTC.

    Example:
    >>> environment = describe_environment(jobs=2)
    >>> sorted(environment)
    ['commit', 'date', 'hardware', 'modified', 'threads', 'versions']
    >>> environment["threads"]
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


def one_line(values: Result) -> str:
    """Returns values as one line of JSON.

    Raises:
        ValueError: If a number is not finite, which JSON cannot hold.
    """
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def publish(
    name: str, corpus: str, metrics: Result, *, as_json: bool, **threads: Any
) -> None:
    """Prints the results of a benchmark.

    Args:
        name: The benchmark.
        corpus: What it was measured on.
        metrics: Values by name; `KEY_spread` is the lowest and highest of `KEY`.
        as_json: One line of JSON with the environment instead of a table of numbers.
        **threads: What the benchmark decided about processes and threads.
    """
    if as_json:
        command = {"benchmark": name, "command": _command(name), "corpus": corpus}
        print(one_line({**command, **metrics, **describe_environment(**threads)}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("", "median", "lowest", "highest", title=f"{name}, {corpus}")
    for key, value in metrics.items():
        if isinstance(value, int | float | str):
            row = [value, *metrics.get(f"{key}_spread", ["", ""])]
            table.add_row(
                key, *(str(x) if isinstance(x, str | bool) else f"{x:,}" for x in row)
            )
    Console().print(table)


def read_result(name: str, folder: Path = RESULTS) -> Result | None:
    """Returns the stored result of a benchmark; `None` if there is none."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def read_results(folder: Path) -> list[Result]:
    """Returns the results of a folder, one line of JSON a file, in order of names."""
    paths = sorted(folder.glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def by_training(results: Sequence[Result]) -> list[list[Result]]:
    """Returns the results of each training, the seeds in order.

    What was trained by another command, but for seed and run folder, is another
    training, even of the same name.
    """

    def training(run: Result) -> list[str]:
        words = run["commands"][0].partition(" --out ")[0].split()
        return [word for word in words if not word.startswith("training.seed=")]

    ordered = sorted(results, key=lambda r: (r["name"], training(r), r["seed"]))
    groups = itertools.groupby(ordered, key=lambda r: (r["name"], training(r)))
    return [list(runs) for _, runs in groups]


def _command(name: str) -> str:
    """Returns the command that was typed, without the paths of this machine."""
    words = []
    for word in sys.argv[1:] if sys.argv[1:2] != [name] else sys.argv[2:]:
        option, equals, value = word.rpartition("=")
        words.append(
            option + equals + (Path(value).name if os.path.isabs(value) else value)
        )
    return " ".join(["python -m benchmarks", name, *words])


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # not every benchmark needs every package
    return versions


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"
