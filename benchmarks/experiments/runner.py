"""What experiments share: trainings and scores by `keras-attn`, and stored results."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.markdown import fill
from benchmarks.options import log
from benchmarks.report import Result, one_line
from keras_attn.command_line import atomic_write
from keras_attn.training.distillation import resolve_teacher
from keras_attn.training.finetuning import resolve_start
from keras_attn.training.recipes import Recipe
from keras_attn.training.runs.run_folder import RunFolder

BEAM_SIZE = 5

# Overrides of the `demo` recipe and the like that train in seconds.
QUICK = (
    "corpus.train_pairs=300",
    "corpus.validation_pairs=20",
    "corpus.test_pairs=20",
    "text.vocabulary_size=300",
    "model.embedding_dim=16",
    "model.readout_units=16",
    "model.encoder_units=16",
    "model.decoder_units=16",
    "model.attention_units=16",
    "training.epochs=1",
    "training.samples=0",
)

Out = Annotated[
    Path, typer.Option(help="Folder of runs; the same command goes on where it was.")
]
Store = Annotated[Path, typer.Option(help="Folder of results, a JSON line each.")]
Page = Annotated[Path, typer.Option(help="Page to write the tables into.")]
OnBuiltin = Annotated[
    bool, typer.Option(help="Try it all on the built-in corpus, in minutes.")
]


def train_once(
    run: Path, words: Sequence[str] = (), recipe: Recipe | None = None
) -> dict[str, Any]:
    """Runs `keras-attn train` unless the run is finished; goes on with a stopped one.

    Args:
        run: The run folder.
        words: Recipe and options on the command line.
        recipe: What is trained instead of `words`; stored beside the run.

    Returns:
        The run's report.

    Raises:
        RuntimeError: If the training fails.
        ValueError: If the run is finished, of another recipe.
    """
    report = RunFolder(run).report
    if report.exists():
        stored = RunFolder(run).load_recipe()
        if recipe is not None and _without_data(stored) != _without_data(
            resolve_teacher(resolve_start(recipe))
        ):
            raise ValueError(
                "A finished run is used again for the same recipe alone. Received: "
                f"{run}, trained with other options. Choose another --out."
            )
        log(f"[{run.name}] is finished")
    else:
        run.parent.mkdir(parents=True, exist_ok=True)
        if recipe is not None:
            toml = run.parent / f"{run.name}.toml"
            toml.write_text(recipe.to_toml(), encoding="utf-8")
            words = [str(toml)]
        keras_attn(["train", *words, "--out", str(run)], prefix=f"[{run.name}] ")
    return json.loads(report.read_text(encoding="utf-8"))


def _without_data(recipe: Recipe) -> Recipe:
    corpus = dataclasses.replace(recipe.corpus, data=None)
    return dataclasses.replace(recipe, corpus=corpus)


def evaluate(run: Path, beam_size: int, *options: str) -> dict[str, Any]:
    """Returns what `keras-attn evaluate --json` prints about a run."""
    words = ["evaluate", str(run), "--beam-size", str(beam_size), *options, "--json"]
    return json.loads(keras_attn(words).splitlines()[-1])


def keras_attn(words: Sequence[str], prefix: str = "") -> str:
    """Runs `keras-attn` in a process of its own and returns its standard output.

    Args:
        words: The arguments.
        prefix: Put before each line of its progress.

    Raises:
        RuntimeError: If it fails.
    """
    log(f"{prefix}keras-attn {' '.join(words)}")
    with subprocess.Popen(
        [sys.executable, "-m", "keras_attn.cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        # What it prints on standard output is a line or two, which the pipe holds.
        try:
            for line in process.stderr or ():
                log(f"{prefix}{line.rstrip()}")
            output = "" if process.stdout is None else process.stdout.read()
        except BaseException:
            process.terminate()  # a training saves a checkpoint
            raise
    if process.returncode:
        raise RuntimeError(
            "Each command must succeed; its message is above. Received: exit code "
            f"{process.returncode} of keras-attn {' '.join(words)}. The same command "
            "goes on from here."
        )
    return output


def store_result(result: Result, path: Path) -> None:
    """Writes a result as one line of JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_text(one_line(result) + "\n", encoding="utf-8")


def write_page(page: Path, mark: str, text: str) -> None:
    """Replaces the text between the marks of a page."""
    filled = fill(page.read_text(encoding="utf-8"), mark, text)
    page.write_text(filled, encoding="utf-8")
