"""Requests over gRPC and the same calls in this process, in turns."""

import functools
import itertools
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.measuring import figure, measure_rounds, timed
from benchmarks.translators import Answer

__all__ = ["draw_batches", "measure_requests"]

_WARM_UP = 2  # requests of each size

Seconds = dict[tuple[str, int], list[float]]  # by way and batch size


def draw_batches(texts: Sequence[str], size: int, count: int) -> list[list[str]]:
    """Returns batches of texts that follow each other, from the beginning again.

    Example:
    >>> draw_batches(["a", "b", "c"], 2, 2)
    [['a', 'b'], ['c', 'a']]
    """
    endless = itertools.cycle(texts)
    return [list(itertools.islice(endless, size)) for _ in range(count)]


def measure_requests(
    ways: dict[str, Answer],
    texts: Sequence[str],
    *,
    sizes: Sequence[int],
    requests: int,
    rounds: int,
) -> dict[str, Any]:
    """Asks for the same translations in two ways.

    Args:
        ways: `grpc` and `inprocess`.
        texts: What to translate.
        sizes: Texts in a request.
        requests: Of each size and way in a round.
        rounds: The median of them counts.

    Returns:
        Figures by name.
    """
    batches = {size: draw_batches(texts, size, requests) for size in sizes}
    _ask(ways, {size: each[:_WARM_UP] for size, each in batches.items()})
    times = measure_rounds({"seconds": lambda: _ask(ways, batches)}, rounds)
    found = [each["seconds"] for each in times]
    figures = figure("sgemm_gflops", [each["sgemm"] / 1e9 for each in times])
    for size in sizes:
        figures |= _of_size(size, found)
    return figures


def _ask(ways: dict[str, Answer], batches: dict[int, list[list[str]]]) -> Seconds:
    seconds: Seconds = {(way, size): [] for way in ways for size in batches}
    for size, each in batches.items():
        for texts in each:
            for way, answer in ways.items():
                taken = timed(functools.partial(answer, texts))()
                seconds[way, size].append(taken)
    return seconds


def _of_size(size: int, found: Sequence[Seconds]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    medians = {}
    for way in ("grpc", "inprocess"):
        seconds = [each[way, size] for each in found]
        medians[way] = [1000 * statistics.median(each) for each in seconds]
        slow = [1000 * float(np.percentile(each, 95)) for each in seconds]
        figures |= figure(f"{way}_ms_batch{size}", medians[way])
        figures |= figure(f"{way}_p95_ms_batch{size}", slow)
    added = [
        grpc / inprocess - 1
        for grpc, inprocess in zip(medians["grpc"], medians["inprocess"], strict=True)
    ]
    return {**figures, **figure(f"added_cost_batch{size}", added)}
