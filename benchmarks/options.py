"""Options that the command lines of benchmarks share, and the recipe they choose."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from keras_attn.training.recipes import Recipe, load_recipe

RANDOM_IDS = "random ids of exact lengths"  # the corpus, where there is none
_RECIPE = Path(__file__).with_name("recipe.toml")

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
Rounds = Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="Small sizes, to see that it runs.")
]
SavedTranslator = Annotated[
    Path | None,
    typer.Option(
        help="A .keras file, or the run folder that holds it.",
        show_default="one that is trained now",
    ),
]
TrainEpochs = Annotated[
    int, typer.Option(min=1, help="Without --translator: epochs of its training.")
]


def corpus_overrides(data: Path | None) -> list[str]:
    """Returns the overrides of a recipe that read all pairs of a folder.

    Args:
        data: The folder; `None` leaves the recipe's corpus.

    Example:
    >>> corpus_overrides(Path("multi30k"))[:2]
    ['corpus.kind=files', 'corpus.data=multi30k']
    """
    if data is None:
        return []
    splits = ("train", "validation", "test")
    all_pairs = [f"corpus.{split}_pairs=none" for split in splits]
    return ["corpus.kind=files", f"corpus.data={data}", *all_pairs]


def corpus_name(recipe: Recipe) -> str:
    """Returns the name of the corpus in results, without its path."""
    options = recipe.corpus
    if options.kind == "builtin":
        return "the built-in corpus"
    return Path(options.data or options.name or options.kind).resolve().name


def load_sizes(overrides: Sequence[str] | None, data: Path | None = None) -> Recipe:
    """Returns the recipe of the speed benchmarks with overrides and a corpus folder.

    Raises:
        RecipeError: If an override does not fit.
    """
    recipe = load_model_sizes([*corpus_overrides(data), *(overrides or [])])
    if recipe.corpus.kind == "builtin":
        log("No --data: the built-in corpus, whose sentences are short.")
    return recipe


def load_model_sizes(overrides: Sequence[str] | None) -> Recipe:
    """Returns the same recipe for a benchmark that reads no corpus."""
    return load_recipe(_RECIPE).override(overrides or [])


def log(line: str) -> None:
    """Prints progress to standard error, apart from the results."""
    print(line, file=sys.stderr, flush=True)
