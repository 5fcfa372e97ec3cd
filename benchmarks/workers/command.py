"""The command line of the benchmark."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from benchmarks.command_line import AsJson, Overrides, log, run_command
from benchmarks.measuring import figure, measure_rounds
from benchmarks.report import publish
from benchmarks.workers.processes import measure_workers
from keras_attn.training.recipes import load_recipe

__all__ = ["main", "workers"]

_SMALLER = [
    "corpus.train_pairs=8000",
    "corpus.validation_pairs=100",
    "corpus.test_pairs=1",
]


def workers(
    overrides: Overrides = None,
    most: Annotated[
        int, typer.Option(min=1, help="Processes of the largest training.")
    ] = 2,
    repeats: Annotated[
        int, typer.Option(min=1, help="Trainings of each size; the median counts.")
    ] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure trainings by 1, 2, 4 ... processes that share this machine.

    Batches of all processes together stay what they are, and so do the threads of one
    operation: see that the machine has a core for each process.

    Example: python -m benchmarks.workers --most 4 training.batch_size=256
    """
    changes = [*_SMALLER, *(overrides or [])]
    recipe = load_recipe("demo").override(changes)  # refuses before the work
    counts = [2**power for power in range(most.bit_length())]
    measured = {str(n): _measure(n, changes) for n in counts}
    rounds = measure_rounds(measured, repeats)
    publish(
        "workers",
        "the built-in corpus",
        {
            **figure("sgemm_gflops", [each["sgemm"] / 1e9 for each in rounds]),
            **_figures(counts, rounds),
            "batch": recipe.training.batch_size,
            "repeats": repeats,
        },
        as_json=as_json,
        processes="as many as workers",
        threads_per_operation=recipe.training.threads_per_operation,
    )


def _measure(count: int, changes: Sequence[str]):
    def measure() -> dict[str, float]:
        found = measure_workers(count, changes)
        log(
            f"{count} workers: {found['tokens_per_second']:,.0f} tokens/s, "
            f"{found['peak_mb']:,.0f} MB each"
        )
        return found

    return measure


def _figures(
    counts: Sequence[int], rounds: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for count in counts:
        found = [each[str(count)] for each in rounds]
        for name in ("tokens_per_second", "peak_mb"):
            values = [each[name] for each in found]
            results |= figure(f"{name}_{count}", values)
    return results


def main() -> None:
    """Runs the command line."""
    run_command(workers)
