"""Timing in rounds, medians, the speed of the machine and the memory of a process."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf


def timed(work: Callable[..., Any], *arguments: Any) -> float:
    """Returns the seconds of a call."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def measure_rounds(
    measures: Mapping[str, Callable[[], Any]], rounds: int
) -> list[dict[str, Any]]:
    """Takes every measure once a round, so that a disturbance hits all of them.

    Args:
        measures: Functions that measure, by name, called in this order.
        rounds: Number of rounds.

    Returns:
        For each round the values by name, and as `sgemm` the operations a second of a
        large matrix product: the mean of before and after.
    """
    values = []
    for _ in range(rounds):
        before = measure_sgemm()
        row = {name: measure() for name, measure in measures.items()}
        values.append({**row, "sgemm": (before + measure_sgemm()) / 2})
    return values


def median_and_spread(
    name: str, values: Sequence[float], digits: int = 4
) -> dict[str, Any]:
    """Returns the median of values, and beside it the lowest and highest.

    Example:
    >>> median_and_spread("ratio", [1.25, 1.0, 4.0])
    {'ratio': 1.25, 'ratio_spread': [1.0, 4.0]}
    """
    return {
        name: round(statistics.median(values), digits),
        f"{name}_spread": [round(min(values), digits), round(max(values), digits)],
    }


def sgemm_gflops(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the speed of the large matrix product in these rounds."""
    return median_and_spread("sgemm_gflops", [row["sgemm"] / 1e9 for row in rounds])


def measure_sgemm(size: int = 2048, repeats: int = 5) -> float:
    """Returns the operations a second of a large float32 matrix product, the median.

    Multiplications and additions count one each: `2 size^3` a product.
    """
    matrix = tf.random.stateless_normal((size, size), seed=(0, 0))
    return _rate(2 * size**3, lambda: tf.matmul(matrix, matrix)[0, 0].numpy(), repeats)


def measure_stream(size: int = 2**24, repeats: int = 10) -> float:
    """Returns the numbers a second that a sum of large arrays reads and writes.

    Args:
        size: Length of the two arrays, several times what caches hold.
        repeats: Number of sums, of which the median counts.
    """
    total, ones = tf.Variable(tf.zeros([size])), tf.ones([size])
    return _rate(3 * size, lambda: total.assign_add(ones), repeats)


def _rate(amount: int, work: Callable[[], Any], repeats: int) -> float:
    rates = [amount / timed(work) for _ in range(repeats + 1)]
    return statistics.median(rates[1:])  # the first one warms up


def reset_peak() -> None:
    """Forgets this process's peak memory so far.

    Raises:
        OSError: If the system has no Linux /proc.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        raise OSError(
            "The peak memory of a process is measured by Linux's /proc. "
            f"Received: {error}. Run this benchmark on Linux."
        ) from error


def resident_mb() -> float:
    """Returns the memory in use now, in MB (10^6 bytes)."""
    return _status_mb("VmRSS")


def peak_mb() -> float:
    """Returns the highest memory in use since `reset_peak`, in MB."""
    return _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    # `getrusage` would include the memory of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    [line] = [line for line in status.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024 / 1e6
