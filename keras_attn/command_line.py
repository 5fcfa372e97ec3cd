"""Code that the subcommands of `keras-attn` share: streams, files, progress bars.

Standard output holds the result alone, for a person or, with `--json`, one JSON object
a line for a program. Everything else (progress, notes, warnings) goes to standard
error, and bars only where that is a terminal.
"""

import contextlib
import errno
import json
import os
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

__all__ = [
    "TEMPORARY",
    "AsJson",
    "Mbr",
    "SplitSentences",
    "Temperature",
    "TopK",
    "TopP",
    "atomic_write",
    "check_output",
    "log",
    "print_result",
    "progress",
    "progress_bar",
    "sampling_options",
    "track_progress",
    "waiting",
    "warn",
]

Item = TypeVar("Item")
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON instead, one object a line.")
]
SplitSentences = Annotated[
    str | None,
    typer.Option(
        help="Texts that are translated by their sentences: never, long (those longer "
        "than training has seen) or always (all with more than one).",
        show_default="the translator's own",
    ),
]

Mbr = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of candidates of each sentence, of which the one that agrees most "
        "with the others is taken (minimum Bayes risk): the best of a beam or, with "
        "--sample, samples.",
        show_default="the best of the beam",
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        help="Below 1, probable words become more probable.", show_default="1"
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        help="Number of most probable words to draw from.", show_default="all"
    ),
]
TopP = Annotated[
    float | None,
    typer.Option(
        help="Probability of the most probable words to draw from.", show_default="1"
    ),
]

TEMPORARY = ".writing-"  # how the names of files begin that are not complete
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


def sampling_options(
    sample: bool,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    seed: int | None,
) -> dict[str, Any] | None:
    """Returns the arguments of `Sampling`, or `None` where no option asks for samples.

    Args:
        sample: Whether samples are drawn without another option.
        temperature: As in `keras_attn.decoding.Sampling`, or `None`; likewise `top_k`
            and `top_p`.
        top_k: Likewise.
        top_p: Likewise.
        seed: Of the samples, or `None`.

    Example:

    >>> sampling_options(False, 0.5, None, None, None)
    {'temperature': 0.5}
    """
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    options = {name: value for name, value in options.items() if value is not None}
    return options if sample or options or seed is not None else None


def log(line: str) -> None:
    """Prints a line on standard error, above a bar if one is displayed."""
    print(line, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Prints a warning on standard error."""
    log(f"keras-attn: warning: {message}")


def check_output(
    path: Path | None, *, folder: bool = False, parents: bool = False
) -> None:
    """Refuses an output that could not be written when the work is done.

    A file is created beside it, and removed, since permissions do not say whether a
    disk is read-only. An existing output stays as it is.

    Args:
        path: File that will be written or replaced; `None`: no file is wanted.
        folder: Whether it is a folder, made if it is missing.
        parents: Whether the folders above a file are made if they are missing.

    Raises:
        FileNotFoundError: If the folder of a file does not exist.
        IsADirectoryError: If a file is wanted and it is a folder.
        OSError: If it cannot be written.

    Example:

    >>> check_output(Path("missing/page.html"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FileNotFoundError: The folder of an output file must exist. ...
    """
    if path is None:
        return
    place = path.absolute()
    if not folder:
        if os.path.isdir(path):  # `Path.is_dir` raises for a name that is too long
            raise IsADirectoryError(
                f"The output is written to a file. Received: {path}, a folder."
            )
        if os.path.exists(path) and not os.path.isfile(path):
            return  # a device or a pipe
        place = place.parent
        if not parents and not os.path.isdir(place):
            raise FileNotFoundError(
                "The folder of an output file must exist. "
                f"Received: {path}. Make {path.parent} first."
            )
    while not os.path.lexists(place):
        place = place.parent
    try:
        # As long as the longest name that will be written.
        name = "" if folder else f"-{path.name}"
        with tempfile.NamedTemporaryFile(dir=place, prefix=TEMPORARY, suffix=name):
            pass
        if os.path.isfile(path) and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise type(error)(
            "An output must be writable before the work begins. "
            f"Received: {path} ({error.strerror or error}). Name another one."
        ) from error


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path and renames it to `path` when the block succeeds.

    The temporary name ends like `path`, since some writers choose their format by it.
    When the block is left, the file and its name are on the disk. A device or a pipe
    is not replaced, but written to.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        yield temporary
        _sync_to_disk(temporary, os.O_RDWR)  # Windows syncs no file opened to read
        os.replace(temporary, path)
        if os.name != "nt":  # it opens no folders
            _sync_to_disk(path.parent, os.O_RDONLY)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_to_disk(path, flags):
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
