"""How well the recipes translate, trained and evaluated by the commands of users."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.experiments.runner import (
    BEAM_SIZE,
    QUICK,
    OnBuiltin,
    Out,
    Page,
    Store,
    evaluate,
    store_result,
    train_once,
    write_page,
)
from benchmarks.markdown import circumstances, markdown_table
from benchmarks.report import (
    RESULTS,
    ROOT,
    Result,
    describe_environment,
    read_results,
)

_STORED = ("epochs", "best_epoch", "params", "train_pairs", "train_seconds")
_SCORES = {
    "bleu": "BLEU",
    "bleu_lowercase": "BLEU, lower-cased",
    "chrf": "chrF2",
    "ter": "TER",
}

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
    recipe: str = "multi30k-best"
    overrides: Sequence[str] = ()
    data: Path | None = None


def translation(
    captions: Annotated[
        Path | None, typer.Option(help="Folder of Multi30k: train, val, test_...")
    ] = None,
    long: Annotated[
        Path | None, typer.Option(help="Folder of longer sentences: train, dev.")
    ] = None,
    out: Out = Path("runs/results"),
    store: Store = RESULTS / "translation",
    page: Page = ROOT / "docs" / "results.md",
    quick: OnBuiltin = False,
) -> None:
    """Reproduce the table of results: hours of training, unless it is --quick.

    Example: python -m benchmarks translation --captions multi30k
    """
    for plan in plan_trainings(captions, long, quick):
        store_result(_measure(plan, out), store / f"{plan.name}.json")
    write_page(page, "results", draw(read_results(store)))


def plan_trainings(captions: Path | None, long: Path | None, quick: bool) -> list[Plan]:
    """Returns the trainings for the corpora that were given.

    Args:
        captions: Folder of Multi30k, trained both ways.
        long: Folder of a corpus of longer sentences, as `train` and `dev`.
        quick: The built-in corpus instead, at sizes that take seconds.

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
            Plan("captions_de-en", label.format("German", "English"), data=captions),
            Plan(
                "captions_en-de",
                label.format("English", "German"),
                overrides=_EN_DE,
                data=captions,
            ),
        ]
    if long is not None:
        overrides = (*_DEV_IS_TEST, *_ONE_PASS)
        label = "software help, German to English"
        plans.append(Plan("help_de-en", label, overrides=overrides, data=long))
    if not plans:
        raise ValueError(
            "There is nothing to train on. Received: neither --captions nor --long. "
            "Name the folder of a corpus, or try it all with --quick."
        )
    return plans


def _measure(plan: Plan, out: Path) -> dict[str, Any]:
    data = [] if plan.data is None else ["--data", str(plan.data)]
    words = [plan.recipe, *plan.overrides, *data]
    report = train_once(out / plan.name, words)
    # Shown without the paths of this machine.
    shown = [] if plan.data is None else ["--data", plan.data.name]
    train = ["train", plan.recipe, *plan.overrides, *shown, "--out"]
    run = f"runs/{plan.name}"
    return {
        "name": plan.name,
        "label": plan.label,
        "commands": [
            f"keras-attn {' '.join(train)} {run}",
            f"keras-attn evaluate {run} --beam-size {BEAM_SIZE} --lowercase",
        ],
        "scores": evaluate(out / plan.name, BEAM_SIZE, "--lowercase"),
        "greedy_bleu": evaluate(out / plan.name, 1)["bleu"],
        "training": {name: report[name] for name in _STORED},
        **describe_environment(),
    }


def draw(results: Sequence[Result]) -> str:
    """Returns what docs/results.md shows of the stored results."""
    if not results:
        return "Not measured yet: `make results DATA=multi30k LONG=help`."
    rows = [
        [
            result["label"],
            result["scores"]["data"],
            *(_interval(result["scores"], name) for name in _SCORES),
            f"{result['greedy_bleu']:.1f}",
            f"{result['training']['train_seconds'] / 60:.0f} min",
        ]
        for result in results
    ]
    head = ["corpus", "test", *_SCORES.values(), "BLEU, greedy", "training"]
    return "\n\n".join([markdown_table(head, rows), *map(_details, results)])


def _interval(scores: Result, name: str) -> str:
    return f"{scores[name]:.1f} ± {scores[f'{name}_half_width']:.1f}"


def _details(result: Result) -> str:
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
    return "\n\n".join(
        [
            f"### {result['label']}",
            commands,
            facts,
            markdown_table(["source words", "sentences", "BLEU", "lower-cased"], bins),
            "\n".join(f"- `{scores[f'{name}_signature']}`" for name in _SCORES),
        ]
    )
