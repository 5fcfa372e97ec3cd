"""Clients that send requests without pause, and the count of what became of these."""

import asyncio
import collections
import contextlib
import functools
import random
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import grpc
import grpc.aio
import httpx
import numpy as np

from benchmarks.soak.server import SoakServer
from benchmarks.soak.versions import Outcome, outcome_of_columns
from keras_attn.serving.client.calls import ModelCalls
from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import read_tensor

PREDICT = "/tensorflow.serving.PredictionService/Predict"
_OPTIONS = [
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_CLIENTS_PER_REST_CLIENT = 8
_PERCENTILES = (50, 95, 99, 99.9)
_PAUSE_SECONDS = 0.25  # after a failure
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
    """Clients that send requests of one text each while the `with` block runs.

    One in eight sends over REST. None asks twice, so that no failure is hidden.

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
        self._clients = clients
        self._seed = seed
        self._stopped = threading.Event()
        self._outage = threading.Event()
        # A loop of its own: a thread for each client would take more processor time
        # than the requests.
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name="clients"
        )

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        self._thread.join()

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Within the block, and for a moment after it, requests may fail."""
        self._outage.set()
        yield
        time.sleep(2)  # reconnections wait for so long at most
        self._outage.clear()

    async def _run(self) -> None:
        over_rest = max(1, self._clients // _CLIENTS_PER_REST_CLIENT)
        async with (
            grpc.aio.insecure_channel(self._server.address, _OPTIONS) as channel,
            httpx.AsyncClient(timeout=_DEADLINE_SECONDS) as http,
        ):
            call = channel.unary_unary(PREDICT)
            await asyncio.gather(
                *(
                    self._work(
                        self._seed + number,
                        functools.partial(self._send_rest, http)
                        if number < over_rest
                        else functools.partial(self._send, call),
                    )
                    for number in range(self._clients)
                )
            )

    async def _work(
        self, seed: int, send: Callable[[str], Coroutine[Any, Any, str]]
    ) -> None:
        chosen = random.Random(seed)
        texts = sorted(self._known)
        while not self._stopped.is_set():
            text = chosen.choice(texts)
            begin, outage = time.perf_counter(), self._outage.is_set()
            self._tally.send()
            try:
                outcome = await send(text)
            except grpc.RpcError as error:
                outcome = error.code().name
            except Exception as error:  # its type is what the tally counts
                outcome = type(error).__name__
            seconds = time.perf_counter() - begin
            outage |= self._outage.is_set()
            self._tally.receive(outcome, seconds, expected=outage)
            if outcome != "right":
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _send(self, call: grpc.aio.UnaryUnaryMultiCallable, text: str) -> str:
        body = await call(predict_request(text), timeout=_DEADLINE_SECONDS)
        outputs = message_class("PredictResponse").FromString(body).outputs
        columns = {name: read_tensor(outputs[name]) for name in outputs}
        return self._judge(text, columns)

    async def _send_rest(self, http: httpx.AsyncClient, text: str) -> str:
        response = await http.post(
            f"{self._server.rest_url}/v1/models/translator:predict",
            json={"inputs": [text]},
        )
        if response.status_code != 200:
            return f"HTTP {response.status_code}"
        return self._judge(text, response.json()["outputs"])

    def _judge(self, text, columns):
        is_right = outcome_of_columns(text, columns) in self._known[text]
        return "right" if is_right else "wrong"


@functools.lru_cache(maxsize=1000)
def predict_request(text: str) -> bytes:
    """Returns the bytes of a gRPC request for a translation."""
    calls = ModelCalls("translator", batch_size=1, batch_bytes=2**20)
    (call,) = calls.translate([text], attention=True)
    return call.request.SerializeToString()
