"""Shows how far a long piece of work is; a short one stays silent."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["shown"]

_PATIENCE = 2.0  # seconds
_LOOK_EACH = 1024  # items from one look at the clock to the next

_Item = TypeVar("_Item")


def shown(
    items: Iterable[_Item], name: str, total: int | None = None, size: int = 1
) -> Iterator[_Item]:
    """Yields items, and tells on standard error what takes over two seconds.

    On a terminal that is a line that counts and then goes away. A line that stays says
    how many there were and how long it took.

    Args:
        items: What is worked on, one after the other.
        name: Of the work, such as `reading train.de`.
        total: How many things there are, if that is known.
        size: Things in an item; the last one may have fewer.
    """
    started, bar, count = time.monotonic(), None, 0
    look_each = max(1, _LOOK_EACH // size)
    try:
        for count, item in enumerate(items, start=1):
            if count % look_each == 0 and time.monotonic() - started > _PATIENCE:
                bar = bar or _bar(name, total)
                bar.update(bar.task_ids[0], completed=count * size)
            yield item
    finally:
        if bar is not None:
            bar.stop()
    seconds = time.monotonic() - started
    if bar is not None:
        done = count * size if total is None else min(count * size, total)
        print(f"{name}: {done:,} in {seconds:.0f} s", file=sys.stderr, flush=True)


def _bar(name: str, total: int | None):
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(file=sys.stderr)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    bar.start()
    bar.add_task(name, total=total)
    return bar
