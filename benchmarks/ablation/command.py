"""The command line: train one model for each switch, and write the page."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.ablation.page import PAGE, STORE, fill_page
from benchmarks.ablation.runs import Run, measure_once
from benchmarks.ablation.switches import choose, switched
from benchmarks.command_line import Data, Overrides, files_in, log, run_command
from benchmarks.pages import read_stored
from keras_attn.training.recipes import load_recipe

__all__ = ["ablation", "main"]

_RECIPE = Path(__file__).with_name("recipe.toml")
# Neither time nor impatience may end one training before another.
_SAME_BUDGET = ("training.minutes=none", "training.patience=none")
_QUICK = (
    "corpus.train_pairs=300",
    "corpus.validation_pairs=20",
    "corpus.test_pairs=20",
    "text.vocabulary_size=300",
    "model.embedding_dim=16",
    "model.readout_units=16",
    "model.encoder_units=16",
    "model.decoder_units=16",
    "model.attention_units=16",
    "training.epochs=3",
)


def ablation(
    overrides: Overrides = None,
    recipe: Annotated[
        str, typer.Option(help="Name of a recipe, or a .toml file.")
    ] = str(_RECIPE),
    data: Data = None,
    switch: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each.")] = 1,
    out: Annotated[
        Path, typer.Option(help="Folder of runs; goes on where it was.")
    ] = Path("runs/ablation"),
    store: Annotated[
        Path, typer.Option(help="Folder of results, one line of JSON each.")
    ] = STORE,
    page: Annotated[Path, typer.Option(help="Page to write the table into.")] = PAGE,
    quick: Annotated[
        bool, typer.Option(help="Try it all on the built-in corpus, in minutes.")
    ] = False,
    only_page: Annotated[
        bool, typer.Option(help="Write the page of what is stored; train nothing.")
    ] = False,
) -> None:
    """Measure what each quality option is worth: the same epochs with and without it.

    What is stored is not made again, so that the same command goes on after a stop.

    Examples: python -m benchmarks.ablation

    python -m benchmarks.ablation --recipe multi30k --data multi30k --seeds 3

    python -m benchmarks.ablation --switch r-drop --switch sampling
    """
    switches = choose(switch or [])
    if not only_page:
        changed = [*files_in(data), *(_QUICK if quick else ()), *(overrides or [])]
        base = load_recipe(recipe).override([*changed, *_SAME_BUDGET])
        if base.corpus.kind == "builtin":
            log("Without --data it trains on the built-in corpus, which is a grammar.")
        store.mkdir(parents=True, exist_ok=True)
        for seed in range(seeds):
            seeded = base.override([f"training.seed={seed}"])
            for each in switches:
                made = switched(seeded, each, log)
                if made is not None:
                    found = measure_once(Run(each, seed, made, out), store)
                    log(_summary(found))
    filled = fill_page(page.read_text(encoding="utf-8"), read_stored(store))
    page.write_text(filled, encoding="utf-8")


def _summary(found):
    return (
        f"{found['label']}, seed {found['seed']}: BLEU {found['beam']['bleu']:.1f}, "
        f"greedy {found['greedy']['bleu']:.1f}; {found['updates']:,} updates in "
        f"{found['train_seconds'] / 60:.1f} minutes"
    )


def main() -> None:
    """Runs the command line."""
    run_command(ablation)
