"""Work that runs at the same time in threads of one process."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["cores", "parallel_map"]


def cores() -> int:
    """Returns the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parallel_map(
    function: Callable[[Any], Any], items: Sequence[Any], threads: int
) -> Iterator[Any]:
    """Yields the results for all items in their order.

    Where a result is an exception it is raised, and what has not begun is not done.

    Args:
        function: Called once for each item. With several threads it gains where it
            computes outside of Python, as a compiled TensorFlow function does.
        items: What to call it with.
        threads: Calls at the same time; with 1, all run in the caller's thread.

    Example:
    >>> list(parallel_map(len, ["a", "bcd"], threads=2))
    [1, 3]
    """
    if threads == 1 or len(items) < 2:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        results = [pool.submit(function, item) for item in items]
        try:
            for result in results:
                yield result.result()
        finally:
            for result in results:
                result.cancel()
