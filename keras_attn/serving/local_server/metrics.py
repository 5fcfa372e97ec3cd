"""Request counts and latencies, as on TensorFlow Serving's Prometheus page."""

import bisect
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator

from keras_attn.serving.local_server.errors import error_code

__all__ = ["Metrics"]

_COUNT = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency"
_RUNTIME = ":tensorflow:serving:runtime_latency"
# In microseconds: from 10 to about half an hour, as in TensorFlow Serving.
_BOUNDS = [10 * 1.8**power for power in range(33)]
# Clients choose the names of models that do not exist.
_MAX_NAMES, _MAX_NAME = 1000, 256
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Metrics:
    """Thread-safe counters of requests and of runs of models.

    As in TensorFlow Serving, models that do not exist count under their own names, and
    requests that fail have no latency. The runtime's latency is that of the session
    alone, with the wait for a batch; its labels are `API="Predict"`, over REST too, and
    `runtime="TF1"`. Once a thousand names have been counted, those
    of further failures count as the empty name, until a request to them succeeds.

    Example:

    >>> metrics = Metrics()
    >>> with metrics.request("translator", "Predict", "GRPC"):
    ...     pass
    >>> print(metrics.page().splitlines()[1])
    :tensorflow:serving:request_count{model_name="translator",status="OK"} 1
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._counts: Counter[tuple[str, str]] = Counter()  # model, status
        self._requests = _Histograms(_LATENCY, "entrypoint")
        self._runs = _Histograms(_RUNTIME, "runtime")

    @contextlib.contextmanager
    def request(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Counts and times the request handled inside the `with` statement.

        Args:
            model: The model's name in the request; empty: it has none.
            api: Name of the method: `"Predict"` over gRPC, `"predict"` over REST; empty
                for REST's requests about a model.
            entrypoint: `"GRPC"` or `"REST"`.
        """
        begin = time.perf_counter()
        status = "OK"
        try:
            yield
        except Exception as error:
            status = error_code(error).name
            raise
        finally:
            microseconds = int((time.perf_counter() - begin) * 1e6)
            with self._lock:
                self._count(model[:_MAX_NAME], status)
                if status == "OK":
                    key = model[:_MAX_NAME], api, entrypoint
                    self._requests.add(key, microseconds)

    @contextlib.contextmanager
    def run(self, model: str) -> Iterator[None]:
        """Times the run of a model inside the `with` statement, if it succeeds.

        Args:
            model: The model's name.
        """
        begin = time.perf_counter()
        yield
        microseconds = int((time.perf_counter() - begin) * 1e6)
        with self._lock:
            self._runs.add((model[:_MAX_NAME], "Predict", "TF1"), microseconds)

    def _count(self, model, status):
        if model not in self._names:
            if status != "OK" and len(self._names) >= _MAX_NAMES:
                model = ""
            else:
                self._names.add(model)
        self._counts[model, status] += 1

    def page(self) -> str:
        """Returns all counters in Prometheus's text format."""
        lines = [f"# TYPE {_COUNT} counter"]
        with self._lock:
            for (model, status), count in sorted(self._counts.items()):
                labels = _labels(model_name=model, status=status)
                lines.append(f"{_COUNT}{{{labels}}} {count}")
            lines += [*self._requests.lines(), *self._runs.lines()]
        return "\n".join(lines) + "\n"


class _Histograms:
    """Histograms of microseconds by model, API and one more label.

    Args:
        name: Name of the metric.
        label: Name of the third label.
    """

    def __init__(self, name, label):
        self._name = name
        self._label = label
        self._buckets = {}  # counts by the labels' values
        self._sums = Counter()

    def add(self, key, microseconds):
        """Counts a time under the values of the three labels."""
        self._sums[key] += microseconds
        buckets = self._buckets.setdefault(key, [0] * (len(_BOUNDS) + 1))
        buckets[bisect.bisect_left(_BOUNDS, microseconds)] += 1

    def lines(self):
        """Yields the lines of Prometheus's text format."""
        yield f"# TYPE {self._name} histogram"
        for key, buckets in sorted(self._buckets.items()):
            model, api, third = key
            labels = _labels(model_name=model, API=api, **{self._label: third})
            cumulative = 0
            for bound, count in zip([*_BOUNDS, None], buckets, strict=True):
                cumulative += count
                limit = "+Inf" if bound is None else f"{bound:g}"
                yield f'{self._name}_bucket{{{labels},le="{limit}"}} {cumulative}'
            yield f"{self._name}_sum{{{labels}}} {self._sums[key]}"
            yield f"{self._name}_count{{{labels}}} {cumulative}"


def _labels(**values):
    return ",".join(
        f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items()
    )
