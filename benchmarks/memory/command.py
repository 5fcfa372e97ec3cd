"""The command line of the benchmark."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.command_line import AsJson, Overrides, log, run_command
from benchmarks.growth import Axis, draw_growth, exponent, plot_folder
from benchmarks.measuring import figure, measure_rounds
from benchmarks.memory.peak import start_new_peak
from benchmarks.memory.point import measure_apart
from benchmarks.report import publish
from benchmarks.sizes import RANDOM_IDS, load_model_sizes
from benchmarks.steps import Shape

__all__ = ["main", "memory"]

_CENTRE = Shape(batch=32, source=40, target=40)
_AXES = {
    "batch": (16, 32, 48, 64),
    "source": (10, 20, 40, 80),
    "target": (10, 20, 40, 80),
}
_QUICK_AXES = {"batch": (16, 32), "source": (20, 40), "target": (20, 40)}
_LINEAR = 1.1  # an exponent up to this counts as linear: the fit is not exact

Growth = Mapping[Shape, float]


def memory(
    overrides: Overrides = None,
    repeats: Annotated[
        int, typer.Option(min=1, help="Processes for each shape; the median counts.")
    ] = 3,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two sizes an axis, to see that it runs.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the picture, memory.svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure peak memory of training steps against batch and sentence lengths.

    Every shape gets a process of its own: the peak of resident memory while it trains,
    less what was resident after a tiny step. Ids are random, lengths exact.

    Example: python -m benchmarks.memory --out runs/memory
    """
    start_new_peak()  # refuses before the work
    folder = plot_folder(out)
    recipe = load_model_sizes(overrides)
    axes = _QUICK_AXES if quick else _AXES
    found = measure_rounds({"growth": lambda: _measure(axes, overrides or [])}, repeats)
    results = _figures(axes, [each["growth"] for each in found])
    if folder is not None:
        draw_growth(_drawn(axes, results["points"]), "MB", folder / "memory.svg")
        log(f"written: {folder / 'memory.svg'}")
    publish(
        "memory",
        RANDOM_IDS,
        {
            **figure("sgemm_gflops", [each["sgemm"] / 1e9 for each in found]),
            **results,
            "repeats": repeats,
            "vocabulary": recipe.text.vocabulary_size,
            "model": dataclasses.asdict(recipe.model),
        },
        as_json=as_json,
        processes="one a shape",
    )


def _along(axes: Mapping[str, Sequence[int]], name: str) -> list[Shape]:
    """Returns the shapes where one size changes and the others stay."""
    return [dataclasses.replace(_CENTRE, **{name: size}) for size in axes[name]]


def _measure(axes: Mapping[str, Sequence[int]], overrides: Sequence[str]) -> Growth:
    growth: dict[Shape, float] = {}
    for shape in (shape for name in axes for shape in _along(axes, name)):
        if shape not in growth:
            growth[shape] = measure_apart(shape, overrides)
            log(f"{shape}: {growth[shape]:,.0f} MB")
    return growth


def _figures(
    axes: Mapping[str, Sequence[int]], found: Sequence[Growth]
) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for name, sizes in axes.items():
        shapes = _along(axes, name)
        exponents = [
            exponent(sizes, [growth[shape] for shape in shapes]) for growth in found
        ]
        results |= figure(f"exponent_{name}", exponents)
    lines = [_line(growth) for growth in found]
    highest = max(results[f"exponent_{name}"] for name in axes)
    return {
        **results,
        "grows_linearly": highest <= _LINEAR,
        **figure("mb_per_batch_token", [slope for slope, _ in lines], digits=6),
        **figure("mb_fixed", [fixed for _, fixed in lines]),
        "points": [
            {
                **dataclasses.asdict(shape),
                "mb": round(statistics.median(growth[shape] for growth in found), 2),
            }
            for shape in found[0]
        ],
    }


def _line(growth: Growth) -> tuple[float, float]:
    """Fits `MB = fixed + slope B (S + T)`; returns slope and fixed part."""
    tokens = [shape.batch * (shape.source + shape.target) for shape in growth]
    slope, fixed = np.polyfit(tokens, list(growth.values()), 1)
    return float(slope), float(fixed)


def _drawn(
    axes: Mapping[str, Sequence[int]], points: Sequence[Mapping[str, Any]]
) -> list[Axis]:
    found = {
        Shape(batch=each["batch"], source=each["source"], target=each["target"]): each
        for each in points
    }
    return [
        Axis(
            name, sizes, {"peak": [found[shape]["mb"] for shape in _along(axes, name)]}
        )
        for name, sizes in axes.items()
    ]


def main() -> None:
    """Runs the command line."""
    run_command(memory)
