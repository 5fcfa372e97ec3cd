"""Does the time of a training step grow as what it computes, reads and writes?"""

import dataclasses
import functools
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from benchmarks.child import child_process
from benchmarks.costs import training_flops, training_traffic
from benchmarks.growth import Grid
from benchmarks.measuring import (
    measure_rounds,
    measure_stream,
    median_and_spread,
    sgemm_gflops,
    timed,
)
from benchmarks.options import (
    RANDOM_IDS,
    AsJson,
    Overrides,
    Quick,
    Rounds,
    load_model_sizes,
    log,
)
from benchmarks.report import publish
from benchmarks.training import (
    Shape,
    make_config,
    make_model,
    make_pass,
    random_batches,
)
from keras_attn.training.loop.machine import set_operation_threads
from keras_attn.training.recipes import Recipe

AXES = {
    "batch": (16, 32, 64, 128),
    "source": (20, 40, 80, 160),
    "target": (20, 40, 80, 160),
    "vocabulary": (2000, 4000, 8000, 16000, 32000),
}
QUICK_AXES = {
    "batch": (8, 16),
    "source": (20, 40),
    "target": (20, 40),
    "vocabulary": (500, 1000),
}


@dataclasses.dataclass(frozen=True)
class Point:
    """A batch's shape and the vocabulary of the model that it trains."""

    batch: int = 32
    source: int = 40
    target: int = 40
    vocabulary: int = 8000


@dataclasses.dataclass(frozen=True)
class Cost:
    """Operations in matrix products of a step, and numbers that it reads and writes."""

    flops: int
    traffic: int

    def seconds(self, sgemm: float, stream: float) -> float:
        """Returns its time at the machine's rates, operations and numbers a second."""
        return self.flops / sgemm + self.traffic / stream


def scaling(
    overrides: Overrides = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of each point in a round.")
    ] = 3,
    rounds: Rounds = 5,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """Measure the time of a training step against batch, lengths and vocabulary.

    Each round trains some steps of every point, so that noise hits all of them. The
    exponents of the measured times are compared with those of the time that is
    counted at the same points: operations in matrix products and numbers read and
    written, at the rates that the machine shows in the same rounds. Ids are random,
    lengths exact.

    Example: python -m benchmarks scaling --quick
    """
    recipe = load_model_sizes(overrides)
    grid = Grid(Point(), QUICK_AXES if quick else AXES)
    costs = {point: step_cost(recipe, point) for point in grid.points()}
    times = _measure(recipe, grid, steps, rounds)
    rates = {
        rate: statistics.median(row[rate] for row in times)
        for rate in ("sgemm", "stream")
    }
    measured = [row["seconds"] for row in times]
    median = {
        point: statistics.median(row[point] for row in measured) for point in costs
    }
    counted = {point: cost.seconds(**rates) for point, cost in costs.items()}
    stream = [4 * row["stream"] / 1e9 for row in times]
    publish(
        "scaling",
        RANDOM_IDS,
        {
            **sgemm_gflops(times),
            **median_and_spread("stream_gb_per_s", stream),
            **_exponents(grid, measured, counted, costs),
            "points": [
                {
                    **dataclasses.asdict(point),
                    "seconds": round(median[point], 5),
                    "counted_seconds": round(counted[point], 5),
                    "gflop": round(cost.flops / 1e9, 3),
                    "gb": round(4 * cost.traffic / 1e9, 3),
                    "sgemm_fraction": round(
                        cost.flops / median[point] / rates["sgemm"], 4
                    ),
                }
                for point, cost in costs.items()
            ],
            "steps": steps,
            "rounds": rounds,
            "model": dataclasses.asdict(recipe.model),
        },
        as_json=as_json,
        batch_parts=recipe.training.batch_parts,
    )


def step_cost(recipe: Recipe, point: Point) -> Cost:
    """Counts the cost of a step.

    Raises:
        ValueError: If the formulas do not hold for the recipe.
    """
    config = make_config(_with_vocabulary(recipe, point.vocabulary))
    batch, source, target = point.batch, point.source, point.target
    return Cost(
        flops=training_flops(config, batch * source, batch * target),
        traffic=training_traffic(config, batch, source, target),
    )


def make_steps(recipe: str, steps: int) -> Callable[[Any], float]:
    """Returns a function from a point to the seconds of a step; in a child process."""
    parsed = Recipe.from_toml(recipe)
    set_operation_threads(parsed.training)

    @functools.cache
    def model_of(vocabulary: int) -> Any:
        return make_model(_with_vocabulary(parsed, vocabulary))

    @functools.cache
    def pass_at(point: Point) -> Callable[[], None]:
        shape = Shape(batch=point.batch, source=point.source, target=point.target)
        batches = random_batches(point.vocabulary, shape, steps)
        return make_pass(model_of(point.vocabulary), parsed.training, batches)

    return lambda sizes: timed(pass_at(Point(**sizes))) / steps


def _measure(
    recipe: Recipe, grid: Grid, steps: int, rounds: int
) -> list[dict[str, Any]]:
    """Takes rounds of the seconds of a step at each point, and of the rates."""
    with child_process(make_steps, recipe=recipe.to_toml(), steps=steps) as ask:

        def seconds() -> dict[Point, float]:
            return {point: ask(dataclasses.asdict(point)) for point in grid.points()}

        log("first pass")
        for point, taken in seconds().items():
            log(f"{point} {taken:.2f} s a step")
        log(f"{rounds} rounds")
        return measure_rounds({"seconds": seconds, "stream": measure_stream}, rounds)


def _exponents(
    grid: Grid,
    measured: Sequence[Mapping[Point, float]],
    counted: Mapping[Point, float],
    costs: Mapping[Point, Cost],
) -> dict[str, Any]:
    """Returns exponents of measured and of counted time, and their difference."""
    metrics: dict[str, Any] = {}
    for name in grid.axes:
        rounds = [grid.exponent(name, row) for row in measured]
        metrics |= median_and_spread(f"exponent_{name}", rounds)
    flops = {point: float(cost.flops) for point, cost in costs.items()}
    analytic = {name: round(grid.exponent(name, counted), 4) for name in grid.axes}
    differences = [
        abs(metrics[f"exponent_{name}"] - analytic[name]) for name in analytic
    ]
    return {
        **metrics,
        **{f"analytic_exponent_{name}": value for name, value in analytic.items()},
        "largest_difference": round(max(differences), 4),
        **{
            f"products_exponent_{name}": round(grid.exponent(name, flops), 4)
            for name in grid.axes
        },
    }


def _with_vocabulary(recipe: Recipe, size: int) -> Recipe:
    return recipe.override([f"text.vocabulary_size={size}"])
