"""One run of the ablation: trained and evaluated by the `keras-attn` command."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.ablation.switches import BASELINE, Switch
from benchmarks.command_line import corpus_name
from benchmarks.keras_attn_command import keras_attn, last_json
from benchmarks.report import describe_environment, one_line
from keras_attn.saved import SAVED_NAME
from keras_attn.training.recipes import Recipe
from keras_attn.training.runs.run_folder import atomic_write

__all__ = ["Run", "measure_once"]

BEAM = 5
_SCORES = ("bleu", "bleu_half_width", "chrf", "chrf_half_width", "sentences")


@dataclasses.dataclass(frozen=True)
class Run:
    """A training of one switch with one seed.

    Attributes:
        switch: What is changed.
        seed: `training.seed`.
        recipe: Every option of it.
        out: Folder of run folders.
    """

    switch: Switch
    seed: int
    recipe: Recipe
    out: Path

    @property
    def name(self) -> str:
        """Of its folder and of its result."""
        return f"{self.switch.name}-{self.seed}"

    def translations(self, switch: Switch) -> Path:
        """Where the translations of a switch with this seed are kept."""
        return self.out / f"{switch.name}-{self.seed}.txt"


def measure_once(run: Run, store: Path) -> Mapping[str, Any]:
    """Trains and evaluates, unless there is a result, and stores one line of JSON.

    A run folder that is there goes on where it was.

    Args:
        run: What to train. The baseline of its seed comes first: others are compared
            with its translations.
        store: Folder of results.

    Returns:
        The result.

    Raises:
        RuntimeError: If a command fails.
        ValueError: If the stored result is of another recipe.
    """
    path = store / f"{run.name}.json"
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["recipe"] != _described(run):
            raise ValueError(
                "Results that are compared come from one recipe. Received: "
                f"{path}, made with other options. Choose another --store and --out."
            )
        return stored
    with atomic_write(path) as aside:
        result = _measure(run)
        aside.write_text(one_line(result) + "\n", encoding="utf-8")
    return result


def _measure(run):
    run.out.mkdir(parents=True, exist_ok=True)
    folder = run.out / run.name
    if not (folder / SAVED_NAME).exists():
        toml = run.out / f"{run.name}.toml"
        toml.write_text(run.recipe.to_toml(), encoding="utf-8")
        keras_attn(["train", str(toml), "--out", str(folder)])
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    evaluate = ["evaluate", str(folder), "--json", "--beam-size"]
    # The translations are kept, so that nothing is translated twice.
    outputs = ["--outputs", str(run.translations(run.switch))]
    compared = []
    if run.switch is not BASELINE:
        compared = ["--against", str(run.translations(BASELINE))]
    beam = last_json(keras_attn([*evaluate, str(BEAM), *outputs, *compared]))
    greedy = last_json(keras_attn([*evaluate, "1"]))
    batches = -(-report["train_pairs"] // run.recipe.training.batch_size)
    return {
        "benchmark": "ablation",
        "switch": run.switch.name,
        "label": run.switch.label,
        "overrides": list(run.switch.overrides),
        "seed": run.seed,
        "corpus": corpus_name(run.recipe),
        "recipe": _described(run),
        "beam": {name: beam[name] for name in _SCORES},
        "greedy": {name: greedy[name] for name in _SCORES},
        "aer": beam.get("aer"),
        "p_value": beam.get("bleu_p_value"),
        "signatures": [beam["bleu_signature"], beam["chrf_signature"]],
        "params": report["params"],
        "epochs": report["epochs"],
        "best_epoch": report["best_epoch"],
        "updates": report["epochs"]
        * batches
        // run.recipe.training.gradient_accumulation_steps,
        "train_seconds": report["train_seconds"],
        **describe_environment(),
    }


def _described(run):
    """Returns every option as TOML, without where things lie on this machine."""
    data = run.recipe.corpus.data
    named = [] if data is None else [f"corpus.data={Path(data).name}"]
    return run.recipe.override(named).to_toml()
