"""`keras-attn report`: an HTML page about a run."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import (
    AsJson,
    atomic_write,
    check_output,
    print_result,
    waiting,
)

__all__ = ["report", "write_report"]


def report(
    run: Annotated[Path, typer.Argument(help="A run folder, finished or not.")],
    out: Annotated[
        Path | None, typer.Option(help="HTML file.", show_default="RUN/report.html")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a page about a run: curves, recipe, scores, samples.

    The page is one self-contained file. The run may still be training; scores are
    those of `keras-attn evaluate RUN`.

    Example: keras-attn report runs/demo
    """
    with waiting("writing the page"):
        path = write_report(run, out)
    print_result({"report": path}, str(path), as_json)


def write_report(run: Path, out: Path | None = None) -> Path:
    """Writes the page of a run and returns its path."""
    from keras_attn.training.runs.report_page import report_html
    from keras_attn.training.runs.run_folder import RunFolder
    from keras_attn.training.runs.run_record import read_run

    path = RunFolder(run).page if out is None else out
    record = read_run(run)
    check_output(path)
    page = report_html(record)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path
