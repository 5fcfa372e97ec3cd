"""Code that the subcommands of `keras-attn` share: streams, JSON, progress bars.

Standard output holds the result alone, for a person or, with `--json`, one JSON object
a line for a program. Everything else (progress, notes, warnings) goes to standard
error, and bars only where that is a terminal.
"""

import contextlib
import json
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

__all__ = [
    "AsJson",
    "log",
    "print_result",
    "progress",
    "progress_bar",
    "track_progress",
    "waiting",
]

Item = TypeVar("Item")
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON instead, one object a line.")
]

_SUMMARY_AFTER = 2.0  # seconds; shorter work leaves no line behind
_REDRAW_AFTER = 0.1  # seconds


def print_result(result: Mapping[str, Any], text: str, as_json: bool) -> None:
    """Prints one result on standard output, as a JSON object or as text.

    Example:

    >>> print_result({"folder": "models/1"}, "models/1", as_json=True)
    {"folder": "models/1"}
    >>> print_result({"folder": "models/1"}, "models/1", as_json=False)
    models/1
    """
    line = json.dumps(result, ensure_ascii=False, default=os.fspath)
    print(line if as_json else text, flush=True)


def log(line: str) -> None:
    """Prints a line on standard error, above a bar if one is displayed."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def waiting(doing: str) -> Iterator[None]:
    """Displays a spinner and the elapsed time, for work of unknown length.

    Args:
        doing: Name of the work, such as `loading runs/demo`.

    Example:

    >>> with waiting("writing the page"):
    ...     pass
    """
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with progress_bar(*columns) as bar:
        bar.add_task(doing, total=None)
        yield


@contextlib.contextmanager
def progress(doing: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Displays a bar with the time left; yields the function that advances it.

    Args:
        doing: Name of the work.
        total: Sum of all steps; `None`: unknown, so that no time is estimated.

    Example:

    >>> with progress("reading", total=10) as advance:
    ...     advance(10)
    """
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with progress_bar(*columns) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda size: bar.advance(task, size)


def track_progress(
    items: Iterable[Item], doing: str, total: int | None = None, size: int = 1
) -> Iterator[Item]:
    """Yields items and displays how many are done.

    The bar disappears at the end. Work of more than two seconds leaves a line that
    says how much it was and how long it took.

    Args:
        items: What is worked on, one after the other.
        doing: Name of the work, such as `reading train.de`.
        total: Number of units, if known; by default that of items with a length.
        size: Number of units in an item; the last item may have fewer.

    Example:

    >>> list(track_progress([1, 2], "counting"))
    [1, 2]
    """
    if total is None and isinstance(items, Sized):
        total = len(items) * size
    count = reported = 0
    started = drawn = time.monotonic()
    with progress(doing, total) as advance:
        for count, item in enumerate(items, start=1):
            now = time.monotonic()
            if now - drawn >= _REDRAW_AFTER:
                advance((count - 1 - reported) * size)
                reported, drawn = count - 1, now
            yield item
        units = count * size if total is None else min(count * size, total)
        advance(units - reported * size)
    seconds = time.monotonic() - started
    if seconds > _SUMMARY_AFTER:
        log(f"{doing}: {units:,} in {seconds:.0f} s")


def progress_bar(*columns: "ProgressColumn") -> "Progress":
    """Returns a bar on standard error that disappears when it is stopped.

    Use it in a `with` statement, or call `start` and `stop`. It displays nothing where
    standard error is no terminal.

    Args:
        columns: Columns of the bar, see `rich.progress`.
    """
    from rich.console import Console
    from rich.progress import Progress

    file = sys.stderr
    if file.isatty():
        # A descriptor of its own: while TensorFlow is imported, 2 points nowhere.
        descriptor = os.dup(file.fileno())
        file = open(  # noqa: SIM115, closed with the bar
            descriptor, "w", encoding="utf-8", errors="replace"
        )
    console = Console(file=file)
    console.quiet = not console.is_terminal  # no empty line at the end either
    bar = Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,  # results may be read by a program at once
        disable=console.quiet,
    )
    if file is not sys.stderr:
        weakref.finalize(bar, file.close)
    return bar
