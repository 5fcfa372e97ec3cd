"""The command line of the benchmark."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.command_line import AsJson, Overrides, run_command, tell
from benchmarks.growth import Axis, draw_growth, exponent, plot_folder
from benchmarks.measuring import figure, measure_rounds
from benchmarks.report import publish
from benchmarks.scaling.points import (
    AXES,
    QUICK_AXES,
    Point,
    make_timers,
    points_along,
    step_flops,
)
from benchmarks.sizes import RANDOM_IDS, load_model_sizes

__all__ = ["main", "scaling"]

Axes = Mapping[str, Sequence[int]]


def scaling(
    overrides: Overrides = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of each point in a round.")
    ] = 3,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 5,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two sizes an axis, to see that it runs.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the picture, scaling.svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the time of a training step against batch, lengths and vocabulary.

    Each round trains some steps of every point, so that noise hits all of them. The
    exponents of the measured times are compared with those of the operations in
    matrix products at the same points. Ids are random, lengths exact.

    Example: python -m benchmarks.scaling --out runs/scaling
    """
    folder = plot_folder(out)
    recipe = load_model_sizes(overrides)
    step_flops(recipe, Point())  # refuses before the work
    axes = QUICK_AXES if quick else AXES
    timers = make_timers(recipe, axes, steps)
    for point, seconds in timers.items():
        tell(f"first pass: {point} {seconds():.2f} s a step")
    tell(f"{rounds} rounds")
    times = measure_rounds({"seconds": lambda: _take(timers)}, rounds)
    found = [each["seconds"] for each in times]
    flops = {point: step_flops(recipe, point) for point in timers}
    median = {
        point: statistics.median(each[point] for each in found) for point in timers
    }
    if folder is not None:
        drawn = _drawn(axes, median, flops)
        draw_growth(drawn, "seconds a step", folder / "scaling.svg")
        tell(f"written: {folder / 'scaling.svg'}")
    sgemm = figure("sgemm_gflops", [each["sgemm"] / 1e9 for each in times])
    publish(
        "scaling",
        RANDOM_IDS,
        {
            **sgemm,
            **_exponents(axes, found, flops),
            "points": _rows(median, flops, 1e9 * sgemm["sgemm_gflops"]),
            "steps": steps,
            "rounds": rounds,
            "model": dataclasses.asdict(recipe.model),
        },
        as_json=as_json,
        intra_op="all",
        inter_op="all",
    )


def _take(timers: Mapping[Point, Callable[[], float]]) -> dict[Point, float]:
    return {point: seconds() for point, seconds in timers.items()}


def _exponents(
    axes: Axes,
    found: Sequence[Mapping[Point, float]],
    flops: Mapping[Point, int],
) -> dict[str, Any]:
    """Exponents of measured time and of operations, axis by axis."""
    results: dict[str, Any] = {}
    differences = []
    for name, sizes in axes.items():
        points = points_along(axes, name)
        measured = figure(
            f"exponent_{name}",
            [exponent(sizes, [each[point] for point in points]) for each in found],
        )
        analytic = exponent(sizes, [flops[point] for point in points])
        results |= {**measured, f"analytic_exponent_{name}": round(analytic, 4)}
        differences.append(abs(measured[f"exponent_{name}"] - analytic))
    return {**results, "largest_difference": round(max(differences), 4)}


def _rows(
    seconds: Mapping[Point, float], flops: Mapping[Point, int], sgemm: float
) -> list[dict[str, float]]:
    return [
        {
            **dataclasses.asdict(point),
            "seconds": round(taken, 5),
            "gflop": round(flops[point] / 1e9, 3),
            "sgemm_fraction": round(flops[point] / taken / sgemm, 4),
        }
        for point, taken in seconds.items()
    ]


def _drawn(
    axes: Axes, seconds: Mapping[Point, float], flops: Mapping[Point, int]
) -> list[Axis]:
    return [
        Axis(
            name,
            sizes,
            {
                "measured": [seconds[point] for point in points_along(axes, name)],
                "operations": [flops[point] for point in points_along(axes, name)],
            },
        )
        for name, sizes in axes.items()
    ]


def main() -> None:
    """Runs the command line."""
    run_command(scaling)
