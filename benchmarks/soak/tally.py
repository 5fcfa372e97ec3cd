"""What became of every request."""

import collections
import threading
from typing import Any

import numpy as np

__all__ = ["Tally"]

_PERCENTILES = (50, 95, 99, 99.9)


class Tally:
    """Counts requests and their outcomes. Threads may share it.

    Example:

    >>> tally = Tally()
    >>> for outcome in ("right", "right", "UNAVAILABLE"):
    ...     tally.send()
    ...     tally.receive(outcome, 0.25)
    >>> tally.send()
    >>> tally.report()["right"], tally.report()["failed"], tally.report()["lost"]
    (2, {'UNAVAILABLE': 1}, 1)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent = 0
        self._outcomes: collections.Counter[str] = collections.Counter()
        self._unexpected: collections.Counter[str] = collections.Counter()
        self._seconds: list[float] = []

    @property
    def right(self) -> int:
        """Requests that were answered right."""
        return self._outcomes["right"]

    def send(self) -> None:
        """Notes that a request begins."""
        with self._lock:
            self._sent += 1

    def receive(self, outcome: str, seconds: float, *, expected: bool = True) -> None:
        """Notes how a request ended.

        Args:
            outcome: `"right"`, `"wrong"`, or the status or exception it failed with.
            seconds: Time that it took; kept of those answered right.
            expected: False for a failure while nothing was done that may cause one.
        """
        with self._lock:
            self._outcomes[outcome] += 1
            if outcome == "right":
                self._seconds.append(seconds)
            elif not expected:
                self._unexpected[outcome] += 1

    def report(self) -> dict[str, Any]:
        """Returns the counts, and percentiles of latency in milliseconds."""
        with self._lock:
            outcomes = dict(self._outcomes)
            right, wrong = outcomes.pop("right", 0), outcomes.pop("wrong", 0)
            ended = right + wrong + sum(outcomes.values())
            times = np.percentile(self._seconds or [np.nan], _PERCENTILES) * 1000
            return {
                "requests": self._sent,
                "right": right,
                "wrong": wrong,
                "failed": outcomes,
                "failed_unexpectedly": dict(self._unexpected),
                "lost": self._sent - ended,
                **{
                    f"p{percent}_ms": round(float(time), 2)
                    for percent, time in zip(_PERCENTILES, times, strict=True)
                },
            }
