"""What loading a version and running its warm-up requests costs a server."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.child import child_process
from benchmarks.measuring import median_and_spread, resident_mb
from benchmarks.options import log
from benchmarks.report import describe_environment, one_line


def loading(
    versions: Annotated[
        list[Path],
        typer.Argument(
            exists=True,
            file_okay=False,
            help="Exported versions; the first is compared.",
        ),
    ],
    rounds: Annotated[int, typer.Option(min=1, help="Loads of each version.")] = 3,
) -> None:
    """Load exported versions one after the other, each in a process of its own.

    Ends with one JSON line: for each version CPU seconds, seconds, and MiB that stay;
    `ratio` is the first version's CPU seconds over its own, in the same round.

    Example: python -m benchmarks loading models/translator/1 models/translator/2
    """
    names = [os.path.relpath(version) for version in versions]
    loads: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        for name, version in zip(names, versions, strict=True):
            with child_process(make_loader, version=str(version.absolute())) as load:
                loads[name].append(load())
            log(f"round {number + 1}: {name}: {loads[name][-1]}")
    result: dict[str, Any] = {"benchmark": "loading", "rounds": rounds, "exports": {}}
    for name in names:
        ratios = [
            first["cpu_s"] / own["cpu_s"]
            for first, own in zip(loads[names[0]], loads[name], strict=True)
        ]
        columns = {key: [load[key] for load in loads[name]] for key in loads[name][0]}
        columns["ratio"] = ratios
        metrics: dict[str, Any] = {}
        for key, values in columns.items():
            metrics |= median_and_spread(key, values)
        result["exports"][name] = metrics
    print(one_line({**result, **describe_environment()}))


def make_loader(version: str) -> Callable[[Any], dict[str, float]]:
    """Returns what loads a version as the local server does."""
    from keras_attn.parallel import cores
    from keras_attn.quiet import import_tensorflow

    import_tensorflow()
    from keras_attn.serving.local_server.warmup import load_warm

    def load(_: Any) -> dict[str, float]:
        resident, cpu, begin = resident_mb(), time.process_time(), time.monotonic()
        load_warm(Path(version), cores(), None)
        return {
            "cpu_s": round(time.process_time() - cpu, 2),
            "seconds": round(time.monotonic() - begin, 2),
            "mb": round(resident_mb() - resident, 1),
        }

    return load
