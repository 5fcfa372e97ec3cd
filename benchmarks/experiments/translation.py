"""How well the recipes translate, trained and evaluated by the commands of users."""

import dataclasses
import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.experiments.runner import (
    BEAM_SIZE,
    QUICK,
    OnBuiltin,
    Out,
    Store,
    evaluate,
    store_result,
    train_once,
    write_page,
)
from benchmarks.markdown import circumstances, markdown_table, score_cell
from benchmarks.options import corpus_overrides
from benchmarks.report import (
    RESULTS,
    ROOT,
    Result,
    by_training,
    describe_environment,
    read_results,
)
from keras_attn.training.recipes import load_recipe

_STORE = RESULTS / "translation"
_STORED = ("epochs", "best_epoch", "params", "train_pairs", "train_seconds")
_SCORES = {
    "bleu": "BLEU",
    "bleu_lowercase": "BLEU, lower-cased",
    "chrf": "chrF2",
    "ter": "TER",
}

_RECIPE = "multi30k-best"
_EN_DE = ("corpus.source_language=en", "corpus.target_language=de")
# A corpus whose folder has `train` and `dev` only: dev is the test, which nothing of
# the training may see, so that validation is taken out of train.
_DEV_IS_TEST = ("corpus.validation_split=held-out", "corpus.test_splits=dev")
# One pass of longer sentences takes as long as two of captions.
_ONE_PASS = ("training.r_drop=none", "training.epochs=8")


@dataclasses.dataclass(frozen=True)
class Plan:
    """One training.

    Attributes:
        name: Name of its run folder and its result.
        label: Label in the table.
        recipe: Name of the recipe.
        overrides: Options that differ from the recipe.
        data: Folder of the corpus; `None`: the built-in one.
    """

    name: str
    label: str
    recipe: str = _RECIPE
    overrides: Sequence[str] = ()
    data: Path | None = None


def translation(
    captions: Annotated[
        Path | None, typer.Option(help="Folder of Multi30k: train, val, test_...")
    ] = None,
    long: Annotated[
        Path | None, typer.Option(help="Folder of longer sentences: train, dev.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Name of a recipe, or a .toml file.")] = (
        _RECIPE
    ),
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a training, such as captions_de-en; may be given again.",
            show_default="all",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each.")] = 1,
    against: Annotated[
        Path | None,
        typer.Option(
            help="--out of another recipe: paired bootstrap with its translations."
        ),
    ] = None,
    out: Out = Path("runs/results"),
    store: Store = _STORE,
    page: Annotated[
        Path | None,
        typer.Option(
            help="Page to write the tables into.",
            show_default="docs/results.md, with the default --store",
        ),
    ] = None,
    quick: OnBuiltin = False,
) -> None:
    """Reproduce the table of results: hours of training, unless it is --quick.

    Examples: python -m benchmarks translation --captions multi30k

    python -m benchmarks translation --captions multi30k --recipe multi30k --seeds 3
    --out before --store before/results

    python -m benchmarks translation --captions multi30k --seeds 3 --against before
    """
    plans = choose_plans(plan_trainings(captions, long, quick, recipe), only or [])
    trainings = list(itertools.product(range(seeds), plans))
    for seed, plan in trainings:
        if against is not None and not (against / _translations(plan, seed)).exists():
            raise ValueError(
                "Translations are compared with those of the same training and seed. "
                f"Received: --against {against}, which has no "
                f"{_translations(plan, seed)}."
            )
    for seed, plan in trainings:
        result = _measure(plan, seed, out, against)
        store_result(result, store / f"{plan.name}-{seed}.json")
    if page is None and store == _STORE:
        page = ROOT / "docs" / "results.md"
    if page is not None:
        write_page(page, "results", draw(read_results(store)))


def plan_trainings(
    captions: Path | None, long: Path | None, quick: bool, recipe: str = _RECIPE
) -> list[Plan]:
    """Returns the trainings for the corpora that were given.

    Args:
        captions: Folder of Multi30k, trained both ways.
        long: Folder of a corpus of longer sentences, as `train` and `dev`.
        quick: The built-in corpus instead, at sizes that take seconds.
        recipe: Name of the recipe, or its file; not of `quick`.

    Raises:
        ValueError: If there is nothing to train on.

    Example:
    >>> [plan.name for plan in plan_trainings(Path("multi30k"), None, quick=False)]
    ['captions_de-en', 'captions_en-de']
    """
    if quick:
        return [
            Plan("quick_de-en", "built-in, German to English", "demo", QUICK),
            Plan(
                "quick_en-de",
                "built-in, English to German",
                "demo",
                (*QUICK, *_EN_DE),
            ),
        ]
    plans = []
    if captions is not None:
        label = "Multi30k captions, {} to {}"
        plans = [
            Plan(
                "captions_de-en",
                label.format("German", "English"),
                recipe,
                data=captions,
            ),
            Plan(
                "captions_en-de",
                label.format("English", "German"),
                recipe,
                _EN_DE,
                captions,
            ),
        ]
    if long is not None:
        overrides = (*_DEV_IS_TEST, *_ONE_PASS)
        label = "software help, German to English"
        plans.append(Plan("help_de-en", label, recipe, overrides, long))
    if not plans:
        raise ValueError(
            "There is nothing to train on. Received: neither --captions nor --long. "
            "Name the folder of a corpus, or try it all with --quick."
        )
    return plans


def choose_plans(plans: Sequence[Plan], names: Sequence[str]) -> list[Plan]:
    """Returns the plans of these names; all for none.

    Raises:
        ValueError: If there is no plan of a name.

    Example:
    >>> plans = plan_trainings(Path("multi30k"), None, quick=False)
    >>> [plan.name for plan in choose_plans(plans, ["captions_en-de"])]
    ['captions_en-de']
    """
    known = [plan.name for plan in plans]
    for name in names:
        if name not in known:
            raise ValueError(
                f"`--only` must be one of {', '.join(known)}. Received: {name!r}."
            )
    return [plan for plan in plans if plan.name in (names or known)]


def _translations(plan: Plan, seed: int) -> str:
    return f"{plan.name}-{seed}.txt"


def _measure(plan: Plan, seed: int, out: Path, against: Path | None) -> dict[str, Any]:
    seeded = [f"training.seed={seed}"] if seed else []
    words = [plan.recipe, *plan.overrides, *seeded]
    recipe = load_recipe(plan.recipe).override(
        [*plan.overrides, *seeded, *corpus_overrides(plan.data)]
    )
    run, translations = out / f"{plan.name}-{seed}", _translations(plan, seed)
    compared = []
    if against is not None:
        compared = ["--against", str(against / translations)]
    report = train_once(run, recipe=recipe)
    scores = evaluate(
        run,
        BEAM_SIZE,
        "--lowercase",
        *("--outputs", str(out / translations)),
        *compared,
    )
    # Shown without the paths of this machine.
    shown = [] if plan.data is None else ["--data", plan.data.name]
    return {
        "name": plan.name,
        "label": plan.label,
        "seed": seed,
        "commands": [
            f"keras-attn {' '.join(['train', *words, *shown, '--out'])} "
            f"runs/{run.name}",
            f"keras-attn evaluate runs/{run.name} --beam-size {BEAM_SIZE} --lowercase",
        ],
        "scores": scores,
        "greedy_bleu": evaluate(run, 1)["bleu"],
        "training": {name: report[name] for name in _STORED},
        **describe_environment(),
    }


def draw(results: Sequence[Result]) -> str:
    """Returns what docs/results.md shows of the stored results."""
    if not results:
        return "Not measured yet: `make results DATA=multi30k LONG=help`."
    groups = by_training(results)
    rows = [
        [
            runs[0]["label"],
            runs[0]["scores"]["data"],
            *(score_cell([run["scores"] for run in runs], name) for name in _SCORES),
            f"{statistics.fmean(run['greedy_bleu'] for run in runs):.1f}",
            f"{_minutes(runs):.0f} min",
        ]
        for runs in groups
    ]
    head = ["corpus", "test", *_SCORES.values(), "BLEU, greedy", "training"]
    return "\n\n".join([markdown_table(head, rows), *map(_details, groups)])


def _minutes(runs):
    return statistics.fmean(run["training"]["train_seconds"] for run in runs) / 60


def _details(runs: Sequence[Result]) -> str:
    result = runs[0]
    scores, training = result["scores"], result["training"]
    commands = "\n".join(["```text", *result["commands"], "```"])
    bins = [
        [
            f"{row['from']} to {row['to']}" if row["to"] else f"{row['from']} on",
            str(row["sentences"]),
            f"{row['bleu']:.1f}",
            f"{row['bleu_lowercase']:.1f}",
        ]
        for row in scores["by_length"]
    ]
    facts = (
        f"{training['params']:,} parameters, {training['train_pairs']:,} pairs, "
        f"{training['epochs']} epochs, the best one {training['best_epoch']}; "
        f"{circumstances(result)}."
    )
    if len(runs) > 1:
        others = ", ".join(f"`training.seed={run['seed']}`" for run in runs[1:])
        facts += f" Likewise with {others}; the commands and lengths are of the first."
    p_values = [run["scores"].get("bleu_p_value") for run in runs]
    if None not in p_values:
        facts += (
            " Paired bootstrap against the recipe before, by seed: p = "
            f"{', '.join(f'{p_value:.3f}' for p_value in p_values)}."
        )
    return "\n\n".join(
        [
            f"### {result['label']}",
            commands,
            facts,
            markdown_table(["source words", "sentences", "BLEU", "lower-cased"], bins),
            "\n".join(f"- `{scores[f'{name}_signature']}`" for name in _SCORES),
        ]
    )
