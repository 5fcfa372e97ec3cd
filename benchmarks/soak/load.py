"""Clients that send requests without pause, and the count of what became of these."""

import collections
import contextlib
import random
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.soak.server import SoakServer
from benchmarks.soak.versions import Outcome, outcome_of
from keras_attn.serving import Client, ServingError

_PERCENTILES = (50, 95, 99, 99.9)
_MOST_TEXTS = 4
_PAUSE_SECONDS = 0.05  # after a failure
_DEADLINE_SECONDS = 20.0


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
        """Number of requests that were answered right."""
        return self._outcomes["right"]

    def send(self) -> None:
        """Counts a request that begins."""
        with self._lock:
            self._sent += 1

    def receive(self, outcome: str, seconds: float, *, expected: bool = True) -> None:
        """Counts a request that ended.

        Args:
            outcome: `"right"`, `"wrong"`, or the status or exception it failed with.
            seconds: Its time; kept if it was answered right.
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


class Load:
    """Clients, each in a thread of its own, while the `with` block runs.

    Args:
        server: The server; it may end and start again.
        known: For each text the outcomes that are right.
        tally: Counts what becomes of the requests.
        clients: Number of clients.
        seed: Seed of the texts that are sent.
    """

    def __init__(
        self,
        server: SoakServer,
        known: Mapping[str, set[Outcome]],
        tally: Tally,
        *,
        clients: int,
        seed: int,
    ):
        self._server = server
        self._known = known
        self._tally = tally
        self._stopped = threading.Event()
        self._outage = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(seed + number,), name="client")
            for number in range(clients)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Within the block, and for a moment after it, requests may fail."""
        self._outage.set()
        yield
        time.sleep(2)  # reconnections wait for so long at most
        self._outage.clear()

    def _work(self, seed: int) -> None:
        chosen = random.Random(seed)
        texts = sorted(self._known)
        with Client(self._server.address, timeout=_DEADLINE_SECONDS) as client:
            while not self._stopped.is_set():
                batch = chosen.choices(texts, k=chosen.randint(1, _MOST_TEXTS))
                begin, outage = time.perf_counter(), self._outage.is_set()
                self._tally.send()
                outcome = self._send(client, batch)
                seconds = time.perf_counter() - begin
                outage |= self._outage.is_set()
                self._tally.receive(outcome, seconds, expected=outage)
                if outcome != "right":
                    self._stopped.wait(_PAUSE_SECONDS)

    def _send(self, client: Client, batch: list[str]) -> str:
        try:
            translations = client.translate(batch)
        except ServingError as error:
            return error.code
        except Exception as error:  # its type is what the tally counts
            return type(error).__name__
        right = all(
            outcome_of(translation) in self._known[text]
            for text, translation in zip(batch, translations, strict=True)
        )
        return "right" if right else "wrong"
