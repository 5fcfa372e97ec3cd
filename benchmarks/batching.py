"""How are requests best joined into batches, and how many threads are best?"""

import dataclasses
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.options import (
    AsJson,
    Data,
    Overrides,
    SavedTranslator,
    TrainEpochs,
    corpus_name,
    load_sizes,
    log,
)
from benchmarks.report import publish
from benchmarks.tables import batching_table
from benchmarks.translators import (
    describe_translator,
    find_or_train,
    serve,
    take_test,
)
from keras_attn.serving import Client, ServingError
from keras_attn.serving.export import export_translator
from keras_attn.training.corpora import load_corpus

CLIENTS = (1, 8, 32)  # numbers of clients that send requests at once, one text each
_WARM_UP = 0.2  # of the time that is measured
_MIDDLE = {"max_batch_size": 32, "batch_timeout_micros": 2000}
_CLIENT_TEXTS = 32  # that `Client` sends in a request; a batch must hold them
_MOST_WAIT = 0.1  # for others, of the time of a client that is alone
_BETTER = 1.1  # than the middle: by less, the same setting differs from run to run


@dataclasses.dataclass(frozen=True)
class Setting:
    """Options of a server.

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


def batching(
    overrides: Overrides = None,
    data: Data = None,
    translator: SavedTranslator = None,
    train_epochs: TrainEpochs = 2,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Time of load for each number of clients.")
    ] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Measure the local server under load with several batching parameters.

    For each setting `keras-attn serve` runs in a process of its own, and 1, 8 and 32
    clients send one text after the other.

    Example: python -m benchmarks batching --translator runs/multi30k
    """
    recipe = load_sizes(overrides, data)
    test, pairs = take_test(load_corpus(recipe.corpus), None)
    texts = [pair.source for pair in pairs]
    loaded = find_or_train(translator, recipe, train_epochs)
    points: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        log("exporting")
        export_translator(loaded, Path(folder) / "models", self_test=False)
        for setting in settings_to_measure(os.cpu_count() or 1):
            points += _measure(Path(folder), setting, texts, seconds)
    chosen = choose(points)
    if not as_json:
        print(f"{batching_table(points)}\n\nchosen: {chosen}")
        return
    publish(
        "batching",
        corpus_name(recipe),
        {
            "chosen": chosen,
            "points": points,
            **describe_translator(loaded, translator, train_epochs),
            "test": test,
            "seconds": seconds,
        },
        as_json=True,
        client="all",
    )


def _measure(
    folder: Path, setting: Setting, texts: Sequence[str], seconds: float
) -> list[dict[str, Any]]:
    options = ["--threads", str(setting.threads)]
    if setting.parameters is not None:
        path = folder / "batching_parameters.txt"
        path.write_text(setting.parameters, encoding="utf-8")
        options += ["--batching-parameters-file", str(path)]
    points = []
    with serve(folder / "models", "--rest-port", "0", *options) as address:
        for clients in CLIENTS:
            _load(address, texts, clients, _WARM_UP * seconds)
            metrics = _load(address, texts, clients, seconds)
            points.append(
                {**dataclasses.asdict(setting), "clients": clients, **metrics}
            )
            log(f"{points[-1]}")
    return points


def _load(
    address: str, texts: Sequence[str], clients: int, seconds: float
) -> dict[str, Any]:
    """Sends requests by several clients, each with one under way at any time.

    Returns:
        `per_second`, requests answered; `p50_ms` and `p95_ms` of them; `refused`, the
        number of requests that were refused because the queue was full.

    Raises:
        ServingError: If a request fails by anything but a full queue.
    """
    times: list[list[float]] = [[] for _ in range(clients)]
    refused = [0] * clients
    failures: list[ServingError] = []
    begin = time.perf_counter()

    def work(number: int) -> None:
        index = number * len(texts) // clients
        with Client(address, attempts=1, timeout=600) as client:
            while time.perf_counter() < begin + seconds and not failures:
                index = (index + 1) % len(texts)
                started = time.perf_counter()
                try:
                    client.translate([texts[index]])
                except ServingError as error:
                    if error.code != "UNAVAILABLE":
                        failures.append(error)
                    refused[number] += 1
                else:
                    times[number].append(1000 * (time.perf_counter() - started))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    milliseconds = [value for row in times for value in row]
    p50, p95 = np.percentile(milliseconds or [np.inf], [50, 95])
    return {
        "per_second": round(len(milliseconds) / (time.perf_counter() - begin), 1),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "refused": sum(refused),
    }


def settings_to_measure(cores: int) -> list[Setting]:
    """Returns one setting in the middle, and others that differ in one parameter.

    Example:

    >>> len(settings_to_measure(2)), len(settings_to_measure(1))
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
    """Returns the batch size and timeout that a deployment gets by default.

    Those of the setting that answers the most requests of the most clients, among those
    that

    - refuse none,
    - hold the texts that a client sends at once,
    - wait for others at most a tenth of the time of a client that is alone,

    if it answers over a tenth more than the middle: the same setting differs by so
    much when it is measured twice. Otherwise the middle.

    Args:
        points: Measurements of each setting and number of clients.

    Raises:
        ValueError: If the middle is not among them, or refuses requests.
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
    middle = [point for point in batched if _default(point) == _MIDDLE]
    if not middle:
        raise ValueError(
            f"The middle of the plan, {_MIDDLE}, must be measured and neither refuse "
            "requests nor wait over a tenth of the time of one client. "
            f"Received: {list(points)}. Measure on a machine where nothing else runs."
        )
    best = max(batched, key=lambda point: point["per_second"])
    usual = max(point["per_second"] for point in middle)
    return _default(best) if best["per_second"] > _BETTER * usual else dict(_MIDDLE)


def _setting(point: Mapping[str, Any]) -> list[Any]:
    return [point.get(field.name) for field in dataclasses.fields(Setting)]


def _default(point: Mapping[str, Any]) -> dict[str, int]:
    return {name: point[name] for name in _MIDDLE}
