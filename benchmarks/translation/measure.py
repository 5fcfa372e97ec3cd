"""Trains and evaluates by the `keras-attn` command, as users do."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.command_line import tell
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
        _keras_attn(train)
    scores = _last_json(_keras_attn([*evaluate, "--json"]))
    greedy = ["evaluate", str(run), "--beam-size", "1", "--json"]
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return {
        "name": plan.name,
        "label": plan.label,
        # Where things lie on this machine is nobody's business.
        "commands": [_shown(words, plan, run) for words in (train, evaluate)],
        "scores": scores,
        "greedy_bleu": _last_json(_keras_attn(greedy))["bleu"],
        "training": {name: report[name] for name in _FROM_TRAINING},
        **describe_environment(),
    }


def _keras_attn(words: Sequence[str]) -> str:
    tell(f"keras-attn {' '.join(words)}")
    done = subprocess.run(
        [sys.executable, "-m", "keras_attn.cli", *words],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            "Each command must succeed; its message is above. Received: exit code "
            f"{done.returncode} of keras-attn {' '.join(words)}."
        )
    return done.stdout


def _last_json(output: str) -> Any:
    return json.loads(output.splitlines()[-1])


def _shown(words: Sequence[str], plan: Plan, run: Path) -> str:
    text = " ".join(["keras-attn", *words]).replace(str(run), f"runs/{plan.name}")
    return text if plan.data is None else text.replace(str(plan.data), plan.data.name)
