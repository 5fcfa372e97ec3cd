"""How benchmarks take time and say what they found."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.machine import measure_sgemm

__all__ = ["figure", "measure_rounds", "timed"]


def timed(work: Callable[[], Any]) -> Callable[[], float]:
    """Returns a function that does the work and returns its seconds."""

    def seconds() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return seconds


def measure_rounds(
    measures: Mapping[str, Callable[[], Any]], rounds: int
) -> list[dict[str, Any]]:
    """Takes every measure once a round, so that what disturbs one disturbs all.

    Args:
        measures: What to measure, by name, in this order; each returns what it found.
        rounds: How often.

    Returns:
        For each round the values by name, and as `sgemm` the operations a second that
        a large matrix product reached: the mean of before and after.
    """
    found = []
    for _ in range(rounds):
        before = measure_sgemm()
        values = {name: measure() for name, measure in measures.items()}
        found.append({**values, "sgemm": (before + measure_sgemm()) / 2})
    return found


def figure(name: str, values: Sequence[float], digits: int = 4) -> dict[str, Any]:
    """Returns the median of some values as a plain number, and beside it their spread.

    Example:
    >>> figure("ratio", [1.25, 1.0, 4.0])
    {'ratio': 1.25, 'ratio_spread': [1.0, 4.0]}
    """
    return {
        name: round(statistics.median(values), digits),
        f"{name}_spread": [round(min(values), digits), round(max(values), digits)],
    }
