"""Trains and evaluates by the `keras-attn` command, as users do."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.keras_attn_command import keras_attn, last_json
from benchmarks.report import describe_environment
from benchmarks.translation.plans import Plan
from keras_attn.saved import SAVED_NAME

__all__ = ["measure"]

_FROM_TRAINING = ("epochs", "best_epoch", "params", "train_pairs", "train_seconds")


def measure(plan: Plan, out: Path) -> Mapping[str, Any]:
    """Trains, unless that was done before, and evaluates with beam 5 and greedily.

    Args:
        plan: What to train.
        out: Folder of run folders.

    Returns:
        Values ready for JSON: the commands, the scores as `keras-attn evaluate --json`
        prints them, what the training took, code, packages and machine.

    Raises:
        RuntimeError: If a command fails.
    """
    run = out / plan.name
    overrides = list(plan.overrides)
    data = [] if plan.data is None else ["--data", str(plan.data)]
    train = ["train", plan.recipe, *overrides, *data, "--out", str(run)]
    evaluate = ["evaluate", str(run), "--beam-size", "5", "--lowercase"]
    if not (run / SAVED_NAME).exists():
        keras_attn(train)
    scores = last_json(keras_attn([*evaluate, "--json"]))
    greedy = ["evaluate", str(run), "--beam-size", "1", "--json"]
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return {
        "name": plan.name,
        "label": plan.label,
        # Where things lie on this machine is nobody's business.
        "commands": [_shown(words, plan, run) for words in (train, evaluate)],
        "scores": scores,
        "greedy_bleu": last_json(keras_attn(greedy))["bleu"],
        "training": {name: report[name] for name in _FROM_TRAINING},
        **describe_environment(),
    }


def _shown(words: Sequence[str], plan: Plan, run: Path) -> str:
    text = " ".join(["keras-attn", *words]).replace(str(run), f"runs/{plan.name}")
    return text if plan.data is None else text.replace(str(plan.data), plan.data.name)
