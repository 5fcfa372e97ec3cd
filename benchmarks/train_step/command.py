"""The command line of the benchmark."""

import contextlib
from typing import Annotated, Any

import typer

from benchmarks.command_line import (
    AsJson,
    Data,
    Overrides,
    corpus_name,
    log,
    run_command,
)
from benchmarks.machine import training_flops
from benchmarks.measuring import figure, measure_rounds
from benchmarks.report import publish
from benchmarks.sizes import load_sizes, make_config
from benchmarks.train_step.batches import Batches, draw_batches
from benchmarks.train_step.contenders import CONTENDERS
from benchmarks.train_step.process import running
from keras_attn.training.corpora import load_corpus
from keras_attn.training.recipes import Recipe

__all__ = ["main", "train_step"]


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

    Each round trains every contender on the same batches, in a process of its own
    that sleeps between rounds, and measures the machine's float32 matrix products. A
    first pass, not counted, traces and compiles for all shapes.

    Example: python -m benchmarks.train_step --data multi30k --compare plain_keras
    """
    names = [model] + ([] if compare is None else [compare])
    for name in names:
        if name not in CONTENDERS:
            raise typer.BadParameter(
                f"must be one of {', '.join(CONTENDERS)}. Received: {name!r}."
            )
    recipe = load_sizes(overrides, data)
    drawn = draw_batches(recipe, load_corpus(recipe.corpus), batches)
    log(
        f"{len(drawn.elements)} batches of {drawn.shapes} shapes, "
        f"{drawn.target_tokens:,} target tokens"
    )
    with contextlib.ExitStack() as stack:
        passes = {}
        for name in names:
            take = stack.enter_context(running(name, recipe, drawn, rounds + 1))
            log(f"{name}: first pass {take():.0f} s")
            passes[name] = take
        found = measure_rounds(passes, rounds)
    publish(
        "train_step",
        corpus_name(recipe),
        _compared(names, found, recipe, drawn),
        as_json=as_json,
        batch_parts=recipe.training.batch_parts,
    )


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
        **figure("sgemm_gflops", [each["sgemm"] / 1e9 for each in found]),
        "mflop_per_target_token": round(flops / drawn.target_tokens / 1e6, 2),
        "batches": len(drawn.elements),
        "shapes": drawn.shapes,
        "target_tokens": drawn.target_tokens,
        "rounds": len(found),
    }
    for name, role, prefix in zip(
        names, ("model", "peer"), ("", "peer_"), strict=False
    ):
        speeds = [drawn.target_tokens / each[name] for each in found]
        shares = [flops / each[name] / each["sgemm"] for each in found]
        results |= {
            role: name,
            **figure(f"{prefix}tokens_per_s", speeds),
            **figure(f"{prefix}sgemm_fraction", shares),
        }
    if len(names) > 1:
        ours, peer = names
        results |= figure("ratio", [each[peer] / each[ours] for each in found])
    return results


def main() -> None:
    """Runs the command line."""
    run_command(train_step)
