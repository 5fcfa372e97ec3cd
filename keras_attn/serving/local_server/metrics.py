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
# In microseconds: from 10 to about half an hour, as in TensorFlow Serving.
_BOUNDS = [10 * 1.8**power for power in range(33)]
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Metrics:
    """Thread-safe counters of requests.

    Example:

    >>> metrics = Metrics()
    >>> with metrics.request("translator", "Predict", "GRPC"):
    ...     pass
    >>> print(metrics.page().splitlines()[1])
    :tensorflow:serving:request_count{model_name="translator",status="OK"} 1
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()  # model, status
        self._buckets: dict[tuple[str, str, str], list[int]] = {}
        self._sums: Counter[tuple[str, str, str]] = Counter()

    @contextlib.contextmanager
    def request(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Counts and times the request handled inside the `with` statement.

        Args:
            model: The model's name. Names are never forgotten.
            api: Name of the method, as `"Predict"`.
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
            key = (model, api, entrypoint)
            with self._lock:
                self._counts[model, status] += 1
                self._sums[key] += microseconds
                buckets = self._buckets.setdefault(key, [0] * (len(_BOUNDS) + 1))
                buckets[bisect.bisect_left(_BOUNDS, microseconds)] += 1

    def page(self) -> str:
        """Returns all counters in Prometheus's text format."""
        lines = [f"# TYPE {_COUNT} counter"]
        with self._lock:
            for (model, status), count in sorted(self._counts.items()):
                labels = _labels(model_name=model, status=status)
                lines.append(f"{_COUNT}{{{labels}}} {count}")
            lines.append(f"# TYPE {_LATENCY} histogram")
            for key, buckets in sorted(self._buckets.items()):
                lines += _histogram(key, buckets, self._sums[key])
        return "\n".join(lines) + "\n"


def _histogram(key, buckets, total):
    model, api, entrypoint = key
    labels = _labels(model_name=model, API=api, entrypoint=entrypoint)
    cumulative = 0
    for bound, count in zip([*_BOUNDS, None], buckets, strict=True):
        cumulative += count
        limit = "+Inf" if bound is None else f"{bound:g}"
        yield f'{_LATENCY}_bucket{{{labels},le="{limit}"}} {cumulative}'
    yield f"{_LATENCY}_sum{{{labels}}} {total}"
    yield f"{_LATENCY}_count{{{labels}}} {cumulative}"


def _labels(**values):
    return ",".join(
        f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items()
    )
