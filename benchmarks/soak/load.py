"""Clients that ask without pause and compare every answer with what is known."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType

from benchmarks.soak.known import Answer, know
from benchmarks.soak.server import SoakServer
from benchmarks.soak.tally import Tally
from keras_attn.serving.client import Client, ServingError

__all__ = ["Load"]

_MOST_TEXTS = 4
_PAUSE_SECONDS = 0.05  # after a failure
_DEADLINE_SECONDS = 20.0


class Load:
    """Some clients, each in a thread of its own, while the `with` block runs.

    Args:
        server: Whom they ask; it may end and start again.
        known: For each text the answers that are right.
        tally: Counts what becomes of the requests.
        clients: Their number.
        seed: Of what is asked.
    """

    def __init__(
        self,
        server: SoakServer,
        known: Mapping[str, set[Answer]],
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
            threading.Thread(target=self._ask, args=(seed + number,), name="client")
            for number in range(clients)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Within the block, and for a deadline after it, requests may fail."""
        self._outage.set()
        yield
        time.sleep(2)  # reconnections wait for so long at most
        self._outage.clear()

    def _ask(self, seed):
        chosen = random.Random(seed)
        texts = sorted(self._known)
        with Client(self._server.address, timeout=_DEADLINE_SECONDS) as client:
            while not self._stopped.is_set():
                batch = chosen.choices(texts, k=chosen.randint(1, _MOST_TEXTS))
                begin, outage = time.perf_counter(), self._outage.is_set()
                self._tally.send()
                outcome = self._outcome(client, batch)
                seconds = time.perf_counter() - begin
                outage |= self._outage.is_set()
                self._tally.receive(outcome, seconds, expected=outage)
                if outcome != "right":
                    self._stopped.wait(_PAUSE_SECONDS)

    def _outcome(self, client, batch):
        try:
            answers = client.translate(batch)
        except ServingError as error:
            return error.code
        except Exception as error:  # what it is, is what the tally is for
            return type(error).__name__
        right = all(
            know(answer) in self._known[text]
            for text, answer in zip(batch, answers, strict=True)
        )
        return "right" if right else "wrong"
