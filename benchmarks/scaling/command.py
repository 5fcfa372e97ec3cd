"""The command line of the benchmark."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.command_line import AsJson, Overrides, log, run_command
from benchmarks.growth import Axis, draw_growth, exponent, plot_folder
from benchmarks.machine import measure_stream
from benchmarks.measuring import figure, measure_rounds
from benchmarks.report import publish
from benchmarks.scaling.points import (
    AXES,
    QUICK_AXES,
    Cost,
    Point,
    all_points,
    points_along,
    step_cost,
)
from benchmarks.scaling.process import running
from benchmarks.sizes import RANDOM_IDS, load_model_sizes
from keras_attn.training.recipes import Recipe

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
    exponents of the measured times are compared with those of the time that is
    counted at the same points: operations in matrix products and numbers read and
    written, at the rates that the machine shows in the same rounds. Ids are random,
    lengths exact.

    Example: python -m benchmarks.scaling --out runs/scaling
    """
    folder = plot_folder(out)
    recipe = load_model_sizes(overrides)
    step_cost(recipe, Point())  # refuses before the work
    axes = QUICK_AXES if quick else AXES
    points = all_points(axes)
    times = _take(recipe, points, steps, rounds)
    rates = {
        rate: statistics.median(each[rate] for each in times)
        for rate in ("sgemm", "stream")
    }
    found = [each["seconds"] for each in times]
    costs = {point: step_cost(recipe, point) for point in points}
    counted = {point: cost.seconds(**rates) for point, cost in costs.items()}
    median = {
        point: statistics.median(each[point] for each in found) for point in points
    }
    if folder is not None:
        drawn = _drawn(axes, median, counted)
        draw_growth(drawn, "seconds a step", folder / "scaling.svg")
        log(f"written: {folder / 'scaling.svg'}")
    flops = {point: cost.flops for point, cost in costs.items()}
    publish(
        "scaling",
        RANDOM_IDS,
        {
            **figure("sgemm_gflops", [each["sgemm"] / 1e9 for each in times]),
            **figure("stream_gb_per_s", [4 * each["stream"] / 1e9 for each in times]),
            **_exponents(axes, found, counted),
            **_analytic(axes, flops, "products_exponent"),
            "points": _rows(median, counted, costs, rates["sgemm"]),
            "steps": steps,
            "rounds": rounds,
            "model": dataclasses.asdict(recipe.model),
        },
        as_json=as_json,
        batch_parts=recipe.training.batch_parts,
    )


def _take(
    recipe: Recipe, points: Sequence[Point], steps: int, rounds: int
) -> list[dict[str, Any]]:
    """Takes rounds of the seconds of a step at each point and of the rates."""
    with running(recipe, steps) as seconds:
        for point in points:
            log(f"first pass: {point} {seconds(point):.2f} s a step")
        log(f"{rounds} rounds")
        measures: dict[str, Callable[[], Any]] = {
            "seconds": lambda: {point: seconds(point) for point in points},
            "stream": measure_stream,
        }
        return measure_rounds(measures, rounds)


def _exponents(
    axes: Axes,
    found: Sequence[Mapping[Point, float]],
    counted: Mapping[Point, float],
) -> dict[str, Any]:
    """Exponents of measured and of counted time, and how far apart they are."""
    measured: dict[str, Any] = {}
    for name, sizes in axes.items():
        rounds = [exponent(sizes, _along(axes, name, each)) for each in found]
        measured |= figure(f"exponent_{name}", rounds)
    analytic = _analytic(axes, counted, "analytic_exponent")
    apart = [
        abs(measured[f"exponent_{name}"] - analytic[f"analytic_exponent_{name}"])
        for name in axes
    ]
    return {**measured, **analytic, "largest_difference": round(max(apart), 4)}


def _analytic(axes: Axes, values: Mapping[Point, float], key: str) -> dict[str, float]:
    """Exponents of what is counted at every point, axis by axis."""
    return {
        f"{key}_{name}": round(exponent(sizes, _along(axes, name, values)), 4)
        for name, sizes in axes.items()
    }


def _rows(
    seconds: Mapping[Point, float],
    counted: Mapping[Point, float],
    costs: Mapping[Point, Cost],
    sgemm: float,
) -> list[dict[str, float]]:
    return [
        {
            **dataclasses.asdict(point),
            "seconds": round(taken, 5),
            "counted_seconds": round(counted[point], 5),
            "gflop": round(costs[point].flops / 1e9, 3),
            "gb": round(4 * costs[point].traffic / 1e9, 3),
            "sgemm_fraction": round(costs[point].flops / taken / sgemm, 4),
        }
        for point, taken in seconds.items()
    ]


def _drawn(
    axes: Axes, seconds: Mapping[Point, float], counted: Mapping[Point, float]
) -> list[Axis]:
    return [
        Axis(
            name,
            sizes,
            {
                "measured": _along(axes, name, seconds),
                "counted": _along(axes, name, counted),
            },
        )
        for name, sizes in axes.items()
    ]


def _along(axes: Axes, name: str, values: Mapping[Point, float]) -> list[float]:
    """Returns the values at the points of one axis."""
    return [values[point] for point in points_along(axes, name)]


def main() -> None:
    """Runs the command line."""
    run_command(scaling)
