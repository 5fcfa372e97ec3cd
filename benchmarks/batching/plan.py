"""Which settings of a server are measured, and which of them is the best."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["CLIENTS", "Setting", "choose", "plan"]

CLIENTS = (1, 8, 32)  # who ask at once, one text each
_MIDDLE = {"max_batch_size": 32, "batch_timeout_micros": 2000}
_CLIENT_TEXTS = 32  # that `Client` sends in a request; a batch must hold them
_MOST_WAIT = 0.1  # for others, of the time of a client who is alone
_BETTER = 1.1  # than the middle: by less, the same setting differs from run to run


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a server is told.

    Attributes:
        threads: Within an operation, and operations at once.
        max_batch_size: Most texts in a run; `None`: each request runs alone.
        batch_timeout_micros: Microseconds that a batch may wait to be filled.
        num_batch_threads: Batches that run at once.
        max_enqueued_batches: Batches that may wait.
    """

    threads: int
    max_batch_size: int | None = None
    batch_timeout_micros: int = 0
    num_batch_threads: int = 0
    max_enqueued_batches: int = 0

    @property
    def parameters(self) -> str | None:
        """The text of a `batching_parameters.txt`; `None`: no batches.

        >>> print(Setting(2, 8, 0, 1, 100).parameters, end="")
        max_batch_size { value: 8 }
        batch_timeout_micros { value: 0 }
        num_batch_threads { value: 1 }
        max_enqueued_batches { value: 100 }
        """
        if self.max_batch_size is None:
            return None
        _, *fields = dataclasses.asdict(self).items()
        return "".join(f"{name} {{ value: {value} }}\n" for name, value in fields)


def plan(cores: int) -> list[Setting]:
    """Returns what is measured: around one setting, each parameter by itself.

    Args:
        cores: Of the machine.

    Example:

    >>> len(plan(2)), len(plan(1))
    (10, 7)
    """
    middle = Setting(
        cores, **_MIDDLE, num_batch_threads=cores, max_enqueued_batches=100
    )
    change = dataclasses.replace
    settings = [
        Setting(cores),
        Setting(1),
        middle,
        change(middle, batch_timeout_micros=0),
        change(middle, batch_timeout_micros=10_000),
        change(middle, max_batch_size=16),
        change(middle, max_batch_size=128),
        change(middle, num_batch_threads=1),
        change(middle, threads=1),
        change(middle, max_enqueued_batches=1),
    ]
    return list(dict.fromkeys(settings))


def choose(points: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Returns the batch size and the wait that a deployment gets unless told others.

    Those of the setting that answers the most requests of the most clients, among those
    that

    - refuse none,
    - hold the texts that a client sends at once,
    - wait for others at most a tenth of the time of a client who is alone,

    where it answers over a tenth more than the middle of the plan: the same setting
    differs by so much when it is measured twice. Otherwise it is the middle.

    Args:
        points: Of each setting and number of clients what was measured.

    Raises:
        ValueError: If the middle is not among them, or refuses requests.

    Example:

    >>> def point(size, wait, clients, rate, p50=300, refused=0):
    ...     return {"max_batch_size": size, "batch_timeout_micros": wait,
    ...             "clients": clients, "per_second": rate, "p50_ms": p50,
    ...             "refused": refused}
    >>> points = [point(None, 0, 1, 50, 20), point(None, 0, 32, 90),
    ...           point(32, 2000, 1, 48, 21), point(32, 2000, 32, 300),
    ...           point(32, 9000, 1, 33, 30), point(32, 9000, 32, 400)]
    >>> choose(points)
    {'max_batch_size': 32, 'batch_timeout_micros': 2000}
    >>> choose([*points, point(64, 0, 1, 50, 20), point(64, 0, 32, 340)])
    {'max_batch_size': 64, 'batch_timeout_micros': 0}
    """
    many = max(point["clients"] for point in points)
    few = min(point["clients"] for point in points)
    waits = [point["p50_ms"] for point in points if point["clients"] == few]
    longest = _MOST_WAIT * 1000 * statistics.median(waits)
    refusing = [_setting(point) for point in points if point["refused"]]
    batched = [
        point
        for point in points
        if point["clients"] == many
        and point["max_batch_size"] is not None
        and point["max_batch_size"] >= _CLIENT_TEXTS
        and point["batch_timeout_micros"] <= longest
        and _setting(point) not in refusing
    ]
    middle = [point for point in batched if _chosen(point) == _MIDDLE]
    if not middle:
        raise ValueError(
            f"The middle of the plan, {_MIDDLE}, must be measured and neither refuse "
            "requests nor wait over a tenth of the time of one client. "
            f"Received: {list(points)}. Measure on a machine where nothing else runs."
        )
    best = max(batched, key=lambda point: point["per_second"])
    usual = max(point["per_second"] for point in middle)
    return _chosen(best) if best["per_second"] > _BETTER * usual else dict(_MIDDLE)


def _setting(point):
    return [point.get(field.name) for field in dataclasses.fields(Setting)]


def _chosen(point):
    return {name: point[name] for name in _MIDDLE}
