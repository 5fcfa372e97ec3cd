"""The steps that are timed: along each axis one size changes and the others stay."""

import dataclasses
from collections.abc import Mapping, Sequence

from benchmarks.machine import training_flops
from benchmarks.sizes import make_config
from benchmarks.steps import Shape
from benchmarks.traffic import training_traffic
from keras_attn.training.recipes import Recipe

__all__ = [
    "AXES",
    "QUICK_AXES",
    "Cost",
    "Point",
    "all_points",
    "points_along",
    "step_cost",
    "with_vocabulary",
]

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

    @property
    def shape(self) -> Shape:
        """The batch alone."""
        return Shape(batch=self.batch, source=self.source, target=self.target)


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a step has to do, counted.

    Attributes:
        flops: Operations in matrix products.
        traffic: Numbers read and written, as `training_traffic` counts them.
    """

    flops: int
    traffic: int

    def seconds(self, sgemm: float, stream: float) -> float:
        """Returns the time it takes at the machine's two rates.

        Args:
            sgemm: Operations a second.
            stream: Numbers a second.
        """
        return self.flops / sgemm + self.traffic / stream


def points_along(axes: Mapping[str, Sequence[int]], name: str) -> list[Point]:
    """Returns the points of one axis."""
    return [dataclasses.replace(Point(), **{name: size}) for size in axes[name]]


def all_points(axes: Mapping[str, Sequence[int]]) -> list[Point]:
    """Returns the points of all axes, each once."""
    return list(
        dict.fromkeys(point for name in axes for point in points_along(axes, name))
    )


def step_cost(recipe: Recipe, point: Point) -> Cost:
    """Counts what a step has to do.

    Raises:
        ValueError: If the formulas do not hold for the recipe.
    """
    config = make_config(with_vocabulary(recipe, point.vocabulary))
    batch, source, target = point.batch, point.source, point.target
    return Cost(
        flops=training_flops(config, batch * source, batch * target),
        traffic=training_traffic(config, batch, source, target),
    )


def with_vocabulary(recipe: Recipe, size: int) -> Recipe:
    """Returns the recipe with a vocabulary of another size."""
    return recipe.override([f"text.vocabulary_size={size}"])
