"""The command line: train, evaluate, store, and write the page."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command_line import run_command
from benchmarks.pages import read_stored
from benchmarks.report import one_line
from benchmarks.translation.measure import measure
from benchmarks.translation.page import PAGE, STORE, fill_page
from benchmarks.translation.plans import plan_trainings
from keras_attn.training.runs.run_folder import atomic_write

__all__ = ["main", "translation"]


def translation(
    captions: Annotated[
        Path | None, typer.Option(help="Folder of Multi30k: train, val, test_...")
    ] = None,
    long: Annotated[
        Path | None, typer.Option(help="Folder of longer sentences: train, dev.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of runs; goes on where it was.")
    ] = Path("runs/results"),
    store: Annotated[
        Path, typer.Option(help="Folder of results, one line of JSON each.")
    ] = STORE,
    page: Annotated[Path, typer.Option(help="Page to write the tables into.")] = PAGE,
    quick: Annotated[
        bool, typer.Option(help="Try it all on the built-in corpus, in minutes.")
    ] = False,
    only_page: Annotated[
        bool, typer.Option(help="Write the page of what is stored; train nothing.")
    ] = False,
) -> None:
    """Reproduce the table of results: hours of training, unless it is --quick.

    Example: python -m benchmarks.translation --captions multi30k
    """
    if not only_page:
        plans = plan_trainings(captions, long, quick)
        store.mkdir(parents=True, exist_ok=True)
        for plan in plans:
            with atomic_write(store / f"{plan.name}.json") as aside:
                aside.write_text(one_line(measure(plan, out)) + "\n", encoding="utf-8")
    filled = fill_page(page.read_text(encoding="utf-8"), read_stored(store))
    page.write_text(filled, encoding="utf-8")


def main() -> None:
    """Runs the command line."""
    run_command(translation)
