"""Clients that each ask for one text after the other, for some seconds."""

import collections
import dataclasses
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_attn.serving.client import Client, ServingError

__all__ = ["ask"]


@dataclasses.dataclass
class _Found:
    seconds: list[float] = dataclasses.field(default_factory=list)
    refused: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )


def ask(
    address: str, texts: Sequence[str], *, clients: int, seconds: float
) -> dict[str, Any]:
    """Puts a load on a server.

    Args:
        address: `HOST:PORT`.
        texts: What is asked; each client begins at another one.
        clients: Their number; each has one request under way at any time.
        seconds: How long.

    Returns:
        `per_second`, the requests answered; `p50_ms` and `p95_ms` of them;
        `refused`, the number of requests that were not.

    Raises:
        ServingError: If a request fails by anything but a full queue.
    """
    found = [_Found() for _ in range(clients)]
    failures: list[ServingError] = []
    begin = time.perf_counter()
    end = begin + seconds

    def work(number):
        place = number * len(texts) // clients
        with Client(address, attempts=1, timeout=600) as client:
            while time.perf_counter() < end and not failures:
                place = (place + 1) % len(texts)
                started = time.perf_counter()
                try:
                    client.translate([texts[place]])
                except ServingError as error:
                    if error.code != "UNAVAILABLE":
                        failures.append(error)
                    found[number].refused[error.code] += 1
                else:
                    found[number].seconds.append(time.perf_counter() - started)

    threads = [threading.Thread(target=work, args=(each,)) for each in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    taken = [1000 * each for one in found for each in one.seconds]
    p50, p95 = np.percentile(taken or [np.inf], [50, 95])
    return {
        "per_second": round(len(taken) / (time.perf_counter() - begin), 1),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "refused": sum(one.refused.total() for one in found),
    }
