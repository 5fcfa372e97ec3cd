"""What each quality option is worth: one training for each, all else equal."""

import dataclasses
import json
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
    Page,
    Store,
    evaluate,
    store_result,
    train_once,
    write_page,
)
from benchmarks.markdown import markdown_table, score_cell
from benchmarks.options import Data, Overrides, corpus_name, corpus_overrides, log
from benchmarks.report import (
    RESULTS,
    ROOT,
    Result,
    describe_environment,
    read_results,
)
from keras_attn.training.recipes import Recipe, RecipeError, load_recipe

_RECIPE = Path(__file__).with_name("ablation.toml")
# Neither time nor patience may end one training before another.
_SAME_BUDGET = ("training.minutes=none", "training.patience=none")
_SCORES = ("bleu", "bleu_half_width", "chrf", "chrf_half_width", "sentences")


@dataclasses.dataclass(frozen=True)
class Switch:
    """One change of a recipe.

    Attributes:
        name: Name in runs and results.
        label: Label in the table.
        overrides: Options that it changes.
    """

    name: str
    label: str
    overrides: Sequence[str] = ()


BASELINE = Switch("baseline", "the recipe")
SWITCHES = (
    BASELINE,
    Switch("no-dropout", "without dropout", ["model.dropout=0"]),
    Switch("no-smoothing", "without label smoothing", ["training.label_smoothing=0"]),
    Switch("no-ema", "without averaged weights", ["training.ema_momentum=none"]),
    Switch("no-attention", "without attention", ["model.attention=none"]),
    Switch("average", "mean of the last 3 epochs", ["training.average=3"]),
    Switch("sampling", "sampled subwords", ["text.sampling=0.2"]),
    Switch(
        "word-dropout",
        "words left out",
        ["model.source_word_dropout=0.1", "model.target_word_dropout=0.1"],
    ),
    Switch("r-drop", "R-Drop", ["training.r_drop=5"]),
    Switch(
        "scheduled-sampling",
        "scheduled sampling",
        ["training.scheduled_sampling=0.25"],
    ),
    Switch("layer-norm", "layer-normalised cells", ["model.layer_norm=true"]),
    Switch("guided", "guided attention", ["alignment.links=learned"]),
    Switch(
        "guided-corpus",
        "guided attention, links of the corpus",
        ["alignment.links=corpus"],
    ),
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
    out: Out = Path("runs/ablation"),
    store: Store = RESULTS / "ablation",
    page: Page = ROOT / "docs" / "results.md",
    quick: OnBuiltin = False,
) -> None:
    """Measure what each quality option is worth: the same epochs with and without it.

    What is stored is not made again, so that the same command goes on after a stop.

    Examples: python -m benchmarks ablation

    python -m benchmarks ablation --recipe multi30k --data multi30k --seeds 3

    python -m benchmarks ablation --switch r-drop --switch sampling
    """
    switches = choose_switches(switch or [])
    small = [*QUICK, "training.epochs=3"] if quick else []
    changed = [*corpus_overrides(data), *small, *(overrides or []), *_SAME_BUDGET]
    base = load_recipe(recipe).override(changed)
    if base.corpus.kind == "builtin":
        log("Without --data it trains on the built-in corpus, which is a grammar.")
    for seed in range(seeds):
        seeded = base.override([f"training.seed={seed}"])
        for chosen in switches:
            switched = apply_switch(seeded, chosen)
            if switched is not None:
                result = measure_once(chosen, seed, switched, out, store)
                log(
                    f"{result['label']}, seed {seed}: BLEU "
                    f"{result['beam']['bleu']:.1f}, greedy "
                    f"{result['greedy']['bleu']:.1f}; {result['updates']:,} updates "
                    f"in {result['train_seconds'] / 60:.1f} minutes"
                )
    write_page(page, "ablation", draw(read_results(store)))


def choose_switches(names: Sequence[str]) -> list[Switch]:
    """Returns the switches of these names, the baseline first; all for none.

    Raises:
        ValueError: If there is no switch of a name.

    Example:
    >>> [switch.name for switch in choose_switches(["r-drop"])]
    ['baseline', 'r-drop']
    """
    known = {switch.name: switch for switch in SWITCHES}
    for name in names:
        if name not in known:
            raise ValueError(
                f"A switch is one of {', '.join(known)}. Received: --switch {name}."
            )
    wanted = {BASELINE.name, *(names or known)}
    return [switch for switch in SWITCHES if switch.name in wanted]


def apply_switch(recipe: Recipe, switch: Switch) -> Recipe | None:
    """Returns the changed recipe; `None` where the switch changes nothing."""
    try:
        changed = recipe.override(switch.overrides)
    except RecipeError as error:
        log(f"{switch.name}: left out. {error}")
        return None
    if switch is not BASELINE and changed == recipe:
        log(f"{switch.name}: left out. The recipe has it already.")
        return None
    return changed


def measure_once(
    switch: Switch, seed: int, recipe: Recipe, out: Path, store: Path
) -> Result:
    """Trains and evaluates, unless there is a result, and stores one line of JSON.

    Args:
        switch: What is changed. The baseline of a seed comes first: others are
            compared with its translations.
        seed: `training.seed`.
        recipe: With the switch and the seed.
        out: Folder of run folders and translations.
        store: Folder of results.

    Raises:
        RuntimeError: If a command fails.
        ValueError: If the stored result is of another recipe.
    """
    path = store / f"{switch.name}-{seed}.json"
    data = recipe.corpus.data
    # Without the path of this machine.
    shown = [] if data is None else [f"corpus.data={Path(data).name}"]
    options = recipe.override(shown).to_toml()
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["recipe"] != options:
            raise ValueError(
                "Results that are compared come from one recipe. Received: "
                f"{path}, made with other options. Choose another --store and --out."
            )
        return stored
    run = out / f"{switch.name}-{seed}"
    report = train_once(run, recipe=recipe)
    # Translations are kept for the comparison with the baseline.
    files = ["--outputs", str(out / f"{switch.name}-{seed}.txt")]
    if switch is not BASELINE:
        files += ["--against", str(out / f"{BASELINE.name}-{seed}.txt")]
    beam, greedy = evaluate(run, BEAM_SIZE, *files), evaluate(run, 1)
    batches = -(-report["train_pairs"] // recipe.training.batch_size)
    accumulated = recipe.training.gradient_accumulation_steps
    result: dict[str, Any] = {
        "benchmark": "ablation",
        "switch": switch.name,
        "label": switch.label,
        "overrides": list(switch.overrides),
        "seed": seed,
        "corpus": corpus_name(recipe),
        "recipe": options,
        "beam": {name: beam[name] for name in _SCORES},
        "greedy": {name: greedy[name] for name in _SCORES},
        "aer": beam.get("aer"),
        "p_value": beam.get("bleu_p_value"),
        "signatures": [beam["bleu_signature"], beam["chrf_signature"]],
        "params": report["params"],
        "epochs": report["epochs"],
        "best_epoch": report["best_epoch"],
        "updates": report["epochs"] * batches // accumulated,
        "train_seconds": report["train_seconds"],
        **describe_environment(),
    }
    store_result(result, path)
    return result


def draw(results: Sequence[Result]) -> str:
    """Returns what docs/results.md shows of the stored results."""
    if not results:
        return "Not measured yet: `make ablation`."
    by_switch = {
        switch.name: [row for row in results if row["switch"] == switch.name]
        for switch in SWITCHES
    }
    base = {row["seed"]: row["beam"]["bleu"] for row in by_switch[BASELINE.name]}
    head = (
        "change", "BLEU, beam 5", "less the recipe's", "p", "chrF2", "BLEU, greedy",
        "AER", "training",
    )  # fmt: skip
    rows = [_row(runs, base) for runs in by_switch.values() if runs]
    return f"{_circumstances(results)}\n\n{markdown_table(head, rows)}"


def _row(runs: Sequence[Result], base: dict[int, float]) -> list[str]:
    label = runs[0]["label"]
    beam = [run["beam"] for run in runs]
    if runs[0]["overrides"]:
        label += f": `{' '.join(runs[0]['overrides'])}`"
    minutes = statistics.fmean(run["train_seconds"] for run in runs) / 60
    aer = [run["aer"] for run in runs if run["aer"] is not None]
    # The mean over the seeds that both have.
    differences = [
        run["beam"]["bleu"] - base[run["seed"]]
        for run in runs
        if run["seed"] in base and run["switch"] != BASELINE.name
    ]
    p_values = [run["p_value"] for run in runs if run["p_value"] is not None]
    return [
        label,
        score_cell(beam, "bleu"),
        f"{statistics.fmean(differences):+.1f}" if differences else "-",
        ", ".join(f"{p_value:.3f}" for p_value in p_values) or "-",
        score_cell(beam, "chrf"),
        score_cell([run["greedy"] for run in runs], "bleu"),
        f"{statistics.fmean(aer):.3f}" if aer else "-",
        f"{minutes:.1f} min",
    ]


def _circumstances(results: Sequence[Result]) -> str:
    corpora = sorted({result["corpus"] for result in results})
    seeds = sorted({result["seed"] for result in results})
    updates = sorted({result["updates"] for result in results})
    last = max(results, key=lambda result: result["date"])
    hardware = last["hardware"]
    parts = [
        f"Corpus: {', '.join(corpora)}",
        f"{last['beam']['sentences']:,} test sentences",
        f"seeds {', '.join(map(str, seeds))}",
        f"{', '.join(f'{number:,}' for number in updates)} updates each",
        f"{hardware['cores']} cores of {hardware['processor']}",
        f"TensorFlow {last['versions']['tensorflow']}",
        last["date"].partition("T")[0],
    ]
    commits = sorted({row["commit"][:7] for row in results if row["commit"]})
    if commits:
        changed = " with changes" if any(row["modified"] for row in results) else ""
        parts.append(f"commit {', '.join(commits)}{changed}")
    return "; ".join(parts) + "."
