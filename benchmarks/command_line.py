"""What the command lines of benchmarks share: options, the corpus, errors."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from keras_attn.training.loop.allocator import keep_freed_memory
from keras_attn.training.recipes import Recipe

__all__ = [
    "AsJson",
    "Data",
    "Overrides",
    "corpus_name",
    "files_in",
    "log",
    "run_command",
]

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        help="Options of every training, such as training.batch_size=32.",
        metavar="[SECTION.OPTION=VALUE]...",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of parallel files. Default: the built-in corpus."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON line instead of a table.")
]


def files_in(data: Path | None) -> list[str]:
    """Returns the overrides of a recipe that read whole files instead of its corpus.

    Args:
        data: Their folder; `None`: the recipe's corpus stays.

    Example:
    >>> files_in(Path("multi30k"))[:2]
    ['corpus.kind=files', 'corpus.data=multi30k']
    """
    if data is None:
        return []
    splits = ("train", "validation", "test")
    whole = [f"corpus.{split}_pairs=none" for split in splits]
    return ["corpus.kind=files", f"corpus.data={data}", *whole]


def corpus_name(recipe: Recipe) -> str:
    """Returns what to call the corpus in results."""
    options = recipe.corpus
    if options.kind == "builtin":
        return "the built-in corpus"
    # Where it lies on this machine is nobody's business.
    return Path(options.data or options.name or options.kind).resolve().name


def log(line: str) -> None:
    """Tells people how far the work is, where it does not mix with results."""
    print(line, file=sys.stderr, flush=True)


def run_command(command: Callable[..., None]) -> None:
    """Runs a command line; exit code 1: the work failed, 2: the request was refused."""
    # Read by TensorFlow when it is imported, here and in what is started from here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keep_freed_memory()
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    try:
        app()
    except (ValueError, OSError, ImportError) as error:
        print(f"{command.__name__}: error: {error}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        print(f"{command.__name__}: failed: {error}", file=sys.stderr)
        sys.exit(1)
