"""Which settings of a server are measured, and which of them is the best."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["CLIENTS", "Setting", "choose", "plan"]

CLIENTS = (1, 8, 32)  # who ask at once, one text each
_MOST_DELAY = 1.1  # of a client who is alone, against the quickest setting


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
    middle = Setting(cores, 32, 2000, cores, 100)
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

    Those of the batched setting that answers the most requests of the most clients,
    among those that refuse none and that let a client who is alone wait at most a
    tenth longer than the quickest of all settings does.

    Args:
        points: Of each setting and number of clients what was measured.

    Raises:
        ValueError: If there is no such setting.

    Example:

    >>> def point(size, wait, clients, rate, p50, refused=0):
    ...     return {"max_batch_size": size, "batch_timeout_micros": wait,
    ...             "clients": clients, "per_second": rate, "p50_ms": p50,
    ...             "refused": refused}
    >>> choose([point(None, 0, 1, 50, 20), point(None, 0, 32, 90, 300),
    ...         point(32, 2000, 1, 48, 21), point(32, 2000, 32, 300, 100),
    ...         point(32, 9000, 1, 33, 30), point(32, 9000, 32, 400, 90)])
    {'max_batch_size': 32, 'batch_timeout_micros': 2000}
    """
    names = [field.name for field in dataclasses.fields(Setting)]
    settings: dict[tuple, dict[int, Mapping[str, Any]]] = {}
    for point in points:
        key = tuple(point.get(name) for name in names)
        settings.setdefault(key, {})[point["clients"]] = point
    few = min(point["clients"] for point in points)
    many = max(point["clients"] for point in points)
    quickest = min(each[few]["p50_ms"] for each in settings.values())
    fit = [
        each[many]
        for each in settings.values()
        if each[many]["max_batch_size"] is not None
        and each[few]["p50_ms"] <= _MOST_DELAY * quickest
        and not any(point["refused"] for point in each.values())
    ]
    if not fit:
        raise ValueError(
            "Some setting with batches must neither refuse requests nor delay those "
            f"of one client by over a tenth. Received: {list(points)}. Measure on a "
            "machine where nothing else runs."
        )
    best = max(fit, key=lambda point: point["per_second"])
    return {name: best[name] for name in ("max_batch_size", "batch_timeout_micros")}
