"""The command line of the benchmark."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command_line import AsJson, Overrides, log, run_command
from benchmarks.corpus_memory.generated import write_corpus
from benchmarks.corpus_memory.point import measure_apart
from benchmarks.corpus_memory.stages import stages_table
from benchmarks.memory.peak import start_new_peak
from benchmarks.report import publish

__all__ = ["corpus_memory", "main"]

_SIZES = "30000,300000,3000000"


def corpus_memory(
    overrides: Overrides = None,
    pairs: Annotated[
        str, typer.Option(help="Sizes of the generated corpora.", metavar="N,N,...")
    ] = _SIZES,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where they are written; a temporary folder if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure peak memory of preparing a corpus and of one epoch of its batches.

    Every size gets files of its own, generated, and a process of its own, which reads
    them, learns subwords, tokenises and goes through all batches without a model.

    Example: python -m benchmarks.corpus_memory --pairs 30000,300000
    """
    sizes = _sizes(pairs)
    start_new_peak()  # refuses before the work
    points = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            data = Path(name) / "corpus"
            log(f"writing {size:,} pairs")
            write_corpus(data, size)
            points.append(measure_apart(data, overrides or []))
            shutil.rmtree(data)
        log(f"{size:,} pairs: {max(points[-1]['mb'].values()):,.0f} MB")
    most = [max(point["mb"].values()) for point in points]
    figures = {"points": points, "peak_mb_growth": round(most[-1] - most[0], 1)}
    if as_json:
        corpus = "generated parallel files"
        publish("corpus_memory", corpus, figures, as_json=True, processes="one a size")
    else:
        print(stages_table(points))


def _sizes(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise ValueError(
            "Sizes are whole numbers of pairs, separated by commas. Received: "
            f"--pairs {text}."
        )
    return [int(word) for word in words]


def main() -> None:
    """Runs the command line."""
    run_command(corpus_memory)
