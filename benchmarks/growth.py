"""How fast a measure grows with each of several sizes: exponents."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Grid:
    """Points that differ from a centre in one size.

    Attributes:
        centre: A frozen dataclass of sizes.
        axes: The values of each size that changes.
    """

    centre: Any
    axes: Mapping[str, Sequence[int]]

    def along(self, name: str) -> list[Any]:
        """Returns the points of one axis."""
        return [
            dataclasses.replace(self.centre, **{name: size}) for size in self.axes[name]
        ]

    def points(self) -> list[Any]:
        """Returns the points of all axes, each once."""
        return list(
            dict.fromkeys(point for name in self.axes for point in self.along(name))
        )

    def exponent(self, name: str, values: Mapping[Any, float]) -> float:
        """Returns the exponent of the values at the points of one axis."""
        return exponent(self.axes[name], [values[point] for point in self.along(name)])


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Returns the `p` of `values = c sizes^p`, by least squares of logarithms.

    Example:
    >>> round(exponent([1, 2, 4], [5, 20, 80]), 6)
    2.0
    """
    slope, _ = np.polyfit(np.log(sizes), np.log(values), 1)
    return float(slope)
