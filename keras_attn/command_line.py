"""What the subcommands of `keras-attn` have in common: streams, JSON, progress.

Standard output holds the result alone, for a person or, with `--json`, one JSON object
a line for a program. Everything else (progress, notes, warnings) goes to standard
error, and progress only where that is a terminal.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import IO, TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["AsJson", "log", "print_result", "progress", "track", "waiting"]

Item = TypeVar("Item")
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON instead, one object a line.")
]


def print_result(found: Mapping[str, Any], text: str, as_json: bool) -> None:
    """Prints one result on standard output: an object in JSON, or its text.

    Example:

    >>> print_result({"folder": "models/1"}, "models/1", as_json=True)
    {"folder": "models/1"}
    >>> print_result({"folder": "models/1"}, "models/1", as_json=False)
    models/1
    """
    shown = json.dumps(found, ensure_ascii=False, default=os.fspath)
    print(shown if as_json else text, flush=True)


def log(line: str) -> None:
    """Prints a line on standard error, above a bar if one is shown."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def waiting(doing: str) -> Iterator[None]:
    """Shows what is being done, and for how long, where the end is not known.

    Example:

    >>> with waiting("writing the page"):
    ...     pass
    """
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with _shown(*columns) as bar:
        bar.add_task(doing, total=None)
        yield


@contextlib.contextmanager
def progress(doing: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Shows a bar with the time left; yields what is called with each step's size.

    Args:
        doing: What is done.
        total: The sum of all steps; `None`: not known, so that no time is estimated.

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
    with _shown(*columns) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda size: bar.advance(task, size)


def track(items: Iterable[Item], doing: str) -> Iterator[Item]:
    """Yields items, and shows how many of them are done.

    Example:

    >>> list(track([1, 2], "counting"))
    [1, 2]
    """
    total = len(items) if isinstance(items, Sized) else None
    with progress(doing, total) as advance:
        for item in items:
            yield item
            advance(1)


@contextlib.contextmanager
def _shown(*columns) -> Iterator["Progress"]:
    from rich.console import Console
    from rich.progress import Progress

    with _terminal() as file:
        console = Console(file=file)
        # Standard output is the result's; it may be read by a program at once.
        bar = Progress(*columns, console=console, transient=True, redirect_stdout=False)
        # Unless it is started it shows nothing, not even the empty line of its end.
        with bar if console.is_terminal else contextlib.nullcontext():
            yield bar


@contextlib.contextmanager
def _terminal() -> Iterator[IO[str]]:
    """Yields standard error, of its own while that of TensorFlow points nowhere."""
    try:
        number = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # a stand-in for it, which is no file
        yield sys.stderr
        return
    with open(number, "w", encoding="utf-8", errors="replace") as file:
        yield file
