"""How does the memory of a training step grow with batch and sentence lengths?"""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.child import child_process
from benchmarks.growth import Grid
from benchmarks.measuring import (
    measure_rounds,
    median_and_spread,
    peak_mb,
    reset_peak,
    resident_mb,
    sgemm_gflops,
)
from benchmarks.options import (
    RANDOM_IDS,
    AsJson,
    Overrides,
    Quick,
    load_model_sizes,
    log,
)
from benchmarks.report import publish
from benchmarks.training import Shape, make_model, random_batches

_CENTRE = Shape(batch=32, source=40, target=40)
_AXES = {
    "batch": (16, 32, 48, 64),
    "source": (10, 20, 40, 80),
    "target": (10, 20, 40, 80),
}
_QUICK_AXES = {"batch": (16, 32), "source": (20, 40), "target": (20, 40)}
_LINEAR = 1.1  # an exponent up to this counts as linear: the fit is not exact
_TINY = Shape(batch=2, source=3, target=3)
_STEPS = 3

Growth = Mapping[Shape, float]


def memory(
    overrides: Overrides = None,
    repeats: Annotated[
        int, typer.Option(min=1, help="Processes for each shape; the median counts.")
    ] = 3,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """Measure peak memory of training steps against batch and sentence lengths.

    Every shape gets a process of its own: the peak of resident memory while it trains,
    less what was resident after a tiny step. Ids are random, lengths exact.

    Example: python -m benchmarks memory --quick
    """
    reset_peak()  # refuses before the work
    recipe = load_model_sizes(overrides)
    grid = Grid(_CENTRE, _QUICK_AXES if quick else _AXES)

    def measure() -> Growth:
        return {shape: measure_shape(shape, overrides or []) for shape in grid.points()}

    rounds = measure_rounds({"growth": measure}, repeats)
    growths = [row["growth"] for row in rounds]
    median = {
        shape: statistics.median(growth[shape] for growth in growths)
        for shape in grid.points()
    }
    publish(
        "memory",
        RANDOM_IDS,
        {
            **sgemm_gflops(rounds),
            **_metrics(grid, growths),
            "points": [
                {**dataclasses.asdict(shape), "mb": round(mb, 2)}
                for shape, mb in median.items()
            ],
            "repeats": repeats,
            "vocabulary": recipe.text.vocabulary_size,
            "model": dataclasses.asdict(recipe.model),
        },
        as_json=as_json,
        processes="one a shape",
    )


def measure_shape(shape: Shape, overrides: Sequence[str]) -> float:
    """Returns the MB that steps of a shape need beyond the model and a tiny step.

    Raises:
        RuntimeError: If the process fails, or memory does not grow.
    """
    with child_process(make_steps, overrides=list(overrides)) as growth:
        mb = growth(dataclasses.asdict(shape))
    if mb <= 0:
        raise RuntimeError(
            "A step must need more memory than a tiny one, or no growth is seen. "
            f"Received: {mb} MB at {shape}. Choose larger sizes."
        )
    log(f"{shape}: {mb:,.0f} MB")
    return mb


def make_steps(overrides: Sequence[str]) -> Callable[[Any], float]:
    """Returns a function that trains and measures; runs in a child process."""
    recipe = load_model_sizes(overrides)
    model = make_model(recipe)

    def train(shape: Shape) -> None:
        batches = random_batches(recipe.text.vocabulary_size, shape, _STEPS)
        model.fit(batches, epochs=1, shuffle=False, verbose=0)

    def growth_mb(sizes: Mapping[str, int]) -> float:
        train(_TINY)  # traces, for all shapes, and makes the optimizer's variables
        base = resident_mb()
        reset_peak()
        train(Shape(**sizes))
        return peak_mb() - base

    return growth_mb


def _metrics(grid: Grid, growths: Sequence[Growth]) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    for name in grid.axes:
        exponents = [grid.exponent(name, growth) for growth in growths]
        metrics |= median_and_spread(f"exponent_{name}", exponents)
    # MB = fixed + slope B (S + T)
    tokens = [shape.batch * (shape.source + shape.target) for shape in growths[0]]
    lines = [np.polyfit(tokens, list(growth.values()), 1) for growth in growths]
    slopes, fixed = ([float(line[n]) for line in lines] for n in (0, 1))
    highest = max(metrics[f"exponent_{name}"] for name in grid.axes)
    return {
        **metrics,
        "grows_linearly": highest <= _LINEAR,
        **median_and_spread("mb_per_batch_token", slopes, digits=6),
        **median_and_spread("mb_fixed", fixed),
    }
