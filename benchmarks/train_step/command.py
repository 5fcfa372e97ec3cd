"""The command line of the benchmark."""

import statistics
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.command_line import (
    AsJson,
    Data,
    Overrides,
    corpus_name,
    files_in,
    run_command,
)
from benchmarks.machine import measure_sgemm, training_flops
from benchmarks.report import describe_environment, one_line
from benchmarks.train_step.contenders import (
    CONTENDERS,
    Batches,
    draw_batches,
    make_config,
)
from training.corpora import load_corpus
from training.recipes import Recipe, load_recipe

__all__ = ["main", "train_step"]

_RECIPE = Path(__file__).with_name("recipe.toml")


def train_step(
    overrides: Overrides = None,
    data: Data = None,
    model: Annotated[
        str, typer.Option(help=f"One of {', '.join(CONTENDERS)}.")
    ] = "keras_attn",
    compare: Annotated[
        str | None, typer.Option(help="Another one of them, in the same run.")
    ] = None,
    batches: Annotated[int, typer.Option(min=1, help="Batches in a round.")] = 40,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure training in target tokens a second, padding not counted.

    Each round trains every contender on the same batches by `model.fit`, and measures
    the machine's float32 matrix products. A first pass, not counted, traces and
    compiles for all shapes.

    Example: python -m benchmarks.train_step --data multi30k --compare plain_keras
    """
    names = [model] + ([] if compare is None else [compare])
    for name in names:
        if name not in CONTENDERS:
            raise typer.BadParameter(
                f"must be one of {', '.join(CONTENDERS)}. Received: {name!r}."
            )
    recipe = load_recipe(_RECIPE).override([*files_in(data), *(overrides or [])])
    if recipe.corpus.kind == "builtin":
        _tell("No --data: the built-in corpus, whose sentences are short.")
    drawn = draw_batches(recipe, load_corpus(recipe.corpus), batches)
    _tell(
        f"{drawn.count} batches of {drawn.shapes} shapes, "
        f"{drawn.target_tokens:,} target tokens"
    )
    models = {name: _first_pass(name, recipe, drawn, rounds) for name in names}
    found = [_round(models, drawn) for _ in range(rounds)]
    results = {
        "benchmark": "train_step",
        "corpus": corpus_name(recipe),
        **_compared(names, found, recipe, drawn),
        **describe_environment(intra_op="all", inter_op="all"),
    }
    if as_json:
        print(one_line(results))
    else:
        _show(results)


def _first_pass(name: str, recipe: Recipe, drawn: Batches, rounds: int) -> Any:
    """Returns a contender that knows all shapes."""
    model = CONTENDERS[name](recipe, rounds * drawn.count)
    _tell(f"{name}: first pass {_fit(model, drawn):.0f} s")
    return model


def _fit(model: Any, drawn: Batches) -> float:
    started = time.perf_counter()
    model.fit(drawn.dataset, epochs=1, shuffle=False, verbose=0)
    return time.perf_counter() - started


def _round(models: dict[str, Any], drawn: Batches) -> dict[str, float]:
    """Seconds of each model on all batches, and the sgemm rate between them."""
    before = measure_sgemm()
    seconds = {name: _fit(model, drawn) for name, model in models.items()}
    return {**seconds, "sgemm": (before + measure_sgemm()) / 2}


def _compared(
    names: list[str],
    found: list[dict[str, float]],
    recipe: Recipe,
    drawn: Batches,
) -> dict[str, Any]:
    """Speed of one model or of two: tokens a second, and share of the sgemm limit."""
    flops = training_flops(
        make_config(recipe), drawn.source_tokens, drawn.target_tokens
    )
    results: dict[str, Any] = {
        "sgemm_gflops": _spread([each["sgemm"] / 1e9 for each in found]),
        "mflop_per_target_token": round(flops / drawn.target_tokens / 1e6, 2),
        "batches": drawn.count,
        "shapes": drawn.shapes,
        "target_tokens": drawn.target_tokens,
        "rounds": len(found),
    }
    for name, role, prefix in zip(
        names, ("model", "peer"), ("", "peer_"), strict=False
    ):
        results |= {
            role: name,
            f"{prefix}tokens_per_s": _spread(
                [drawn.target_tokens / each[name] for each in found]
            ),
            f"{prefix}sgemm_fraction": _spread(
                [flops / each[name] / each["sgemm"] for each in found]
            ),
        }
    if len(names) > 1:
        ours, peer = names
        results["ratio"] = _spread([each[peer] / each[ours] for each in found])
    return results


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 4),
        "low": round(min(values), 4),
        "high": round(max(values), 4),
    }


def _show(results: dict[str, Any]) -> None:
    table = Table("", "median", "low", "high")
    for name, value in results.items():
        if isinstance(value, dict) and "median" in value:
            table.add_row(
                name, *(f"{value[key]:,}" for key in ("median", "low", "high"))
            )
    Console().print(table)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Runs the command line."""
    run_command(train_step)
