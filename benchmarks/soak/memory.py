"""Whether a process's memory stays where it is."""

import statistics
from collections.abc import Sequence
from typing import Any

__all__ = ["describe_memory"]

_SAMPLES_TO_JUDGE = 240  # two minutes: before that a process is still filling caches
_GROWTH = 1.1


def describe_memory(samples: Sequence[float]) -> dict[str, Any]:
    """Says how the memory of a process went, in MiB.

    It is flat if the median of the last quarter of the time is at most a tenth above
    that of the second quarter. The first one is left out, since a server first fills
    the pools of its threads; a peak, as of one large request, moves no median.

    Args:
        samples: Resident MiB, at even intervals.

    Returns:
        `first`, `last`, `most`, the medians of the four `quarters`, and `flat`, which
        is `None` where there are too few samples to tell.

    Example:

    >>> describe_memory([1, 2] * 200)["flat"]
    True
    >>> describe_memory(range(1, 401))["flat"]
    False
    >>> describe_memory([3.0, 5.0])
    {'first': 3.0, 'last': 5.0, 'most': 5.0, 'quarters': [], 'flat': None}
    >>> describe_memory([])
    {}
    """
    if not samples:
        return {}
    found: dict[str, Any] = {
        "first": samples[0],
        "last": samples[-1],
        "most": max(samples),
        "quarters": [],
        "flat": None,
    }
    if len(samples) >= _SAMPLES_TO_JUDGE:
        size = len(samples) // 4
        quarters = [samples[size * n : size * (n + 1)] for n in range(4)]
        medians = [round(statistics.median(quarter), 1) for quarter in quarters]
        flat = medians[3] <= _GROWTH * medians[1]
        found |= {"quarters": medians, "flat": flat}
    return found
