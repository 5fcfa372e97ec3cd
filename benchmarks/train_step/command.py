"""The command line of the benchmark."""

import statistics
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import measure_sgemm, training_flops
from benchmarks.report import describe_environment, one_line
from benchmarks.train_step.contenders import (
    CONTENDERS,
    Batches,
    corpus_is_small,
    draw_batches,
    make_config,
)
from training.allocator import keep_freed_memory
from training.corpora import load_corpus
from training.recipes import load_recipe

__all__ = ["main", "train_step"]

_RECIPE = Path(__file__).with_name("recipe.toml")


def train_step(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Options of the training, such as training.batch_size=32.",
            metavar="[SECTION.OPTION=VALUE]...",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of parallel files. Default: the built-in corpus."),
    ] = None,
    model: Annotated[
        str, typer.Option(help=f"One of {', '.join(CONTENDERS)}.")
    ] = "keras_attn",
    compare: Annotated[
        str | None, typer.Option(help="Another one of them, in the same run.")
    ] = None,
    batches: Annotated[int, typer.Option(min=1, help="Batches in a round.")] = 40,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 5,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line instead of a table.")
    ] = False,
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
    console = Console(stderr=True)
    recipe = load_recipe(_RECIPE)
    if data is not None:
        sizes = [
            f"corpus.{split}_pairs=none" for split in ("train", "validation", "test")
        ]
        recipe = recipe.override(["corpus.kind=files", f"corpus.data={data}", *sizes])
    recipe = recipe.override(overrides or [])
    if corpus_is_small(recipe):
        console.print("No --data: the built-in corpus, whose sentences are short.")
    keep_freed_memory()
    drawn = draw_batches(recipe, load_corpus(recipe.corpus), batches)
    console.print(
        f"{drawn.count} batches of {drawn.shapes} shapes, "
        f"{drawn.target_tokens:,} target tokens"
    )
    models = {}
    for name in names:
        models[name] = CONTENDERS[name](recipe, rounds * drawn.count)
        started = time.perf_counter()
        _fit(models[name], drawn)
        console.print(f"{name}: first pass {time.perf_counter() - started:.0f} s")
    found = [_round(models, drawn) for _ in range(rounds)]
    flops = training_flops(
        make_config(recipe), drawn.source_tokens, drawn.target_tokens
    )
    results = {
        "benchmark": "train_step",
        "corpus": "builtin" if corpus_is_small(recipe) else Path(str(data)).name,
        "model": model,
        **_summary(model, found, flops, drawn, ""),
        "sgemm_gflops": _spread([each["sgemm"] / 1e9 for each in found]),
        "mflop_per_target_token": round(flops / drawn.target_tokens / 1e6, 2),
        "batches": drawn.count,
        "shapes": drawn.shapes,
        "target_tokens": drawn.target_tokens,
        "rounds": rounds,
    }
    if compare is not None:
        results["peer"] = compare
        results.update(_summary(compare, found, flops, drawn, "peer_"))
        results["ratio"] = _spread([each[compare] / each[model] for each in found])
    results.update(describe_environment(intra_op="all", inter_op="all"))
    if as_json:
        print(one_line(results))
    else:
        _show(results)


def _fit(model: Any, drawn: Batches) -> float:
    started = time.perf_counter()
    model.fit(drawn.dataset, epochs=1, shuffle=False, verbose=0)
    return time.perf_counter() - started


def _round(models: dict[str, Any], drawn: Batches) -> dict[str, float]:
    """Seconds of each model on all batches, and the sgemm rate between them."""
    before = measure_sgemm()
    seconds = {name: _fit(model, drawn) for name, model in models.items()}
    return {**seconds, "sgemm": (before + measure_sgemm()) / 2}


def _summary(name, found, flops, drawn, prefix):
    """Speed of one model: tokens a second, and its share of the sgemm limit."""
    return {
        f"{prefix}tokens_per_s": _spread(
            [drawn.target_tokens / each[name] for each in found]
        ),
        f"{prefix}sgemm_fraction": _spread(
            [flops / each[name] / each["sgemm"] for each in found]
        ),
    }


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


def main() -> None:
    """Runs the command."""
    typer.run(train_step)
