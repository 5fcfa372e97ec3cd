"""The command line of the benchmark."""

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.batching.load import ask
from benchmarks.batching.plan import CLIENTS, Setting, choose, plan
from benchmarks.command_line import (
    AsJson,
    Data,
    Overrides,
    corpus_name,
    log,
    run_command,
)
from benchmarks.report import publish
from benchmarks.serving_process import serve
from benchmarks.sizes import load_sizes
from benchmarks.translators import (
    SavedTranslator,
    TrainEpochs,
    describe_translator,
    find_or_train,
    take_test,
)
from keras_attn.serving.export import export_translator
from keras_attn.training.corpora import load_corpus

__all__ = ["batching", "main"]

_WARM_UP = 0.2  # of the time that is measured


def batching(
    overrides: Overrides = None,
    data: Data = None,
    translator: SavedTranslator = None,
    train_epochs: TrainEpochs = 2,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Of load, for each number of clients.")
    ] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Measure the local server under load with several batching parameters.

    For each setting `keras-attn serve` runs in a process of its own, and 1, 8 and 32
    clients ask for one text after the other.

    Example: python -m benchmarks.batching --translator runs/multi30k
    """
    recipe = load_sizes(overrides, data)
    test, pairs = take_test(load_corpus(recipe.corpus), None)
    texts = [pair.source for pair in pairs]
    found = find_or_train(translator, recipe, train_epochs)
    points: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log("exporting")
        export_translator(found, folder / "models", self_test=False)
        for setting in plan(os.cpu_count() or 1):
            points += _measure(folder, setting, texts, seconds)
    figures = {
        "chosen": choose(points),
        "points": points,
        **describe_translator(found, translator, train_epochs),
        "test": test,
        "seconds": seconds,
    }
    if not as_json:
        _show(points, figures["chosen"])
        return
    publish("batching", corpus_name(recipe), figures, as_json=True, client="all")


def _measure(folder: Path, setting: Setting, texts, seconds) -> list[dict[str, Any]]:
    options = ["--threads", str(setting.threads)]
    if setting.parameters is not None:
        path = folder / "batching_parameters.txt"
        path.write_text(setting.parameters, encoding="utf-8")
        options += ["--batching-parameters-file", str(path)]
    points = []
    with serve(folder / "models", "--rest-port", "0", *options) as address:
        for clients in CLIENTS:
            ask(address, texts, clients=clients, seconds=_WARM_UP * seconds)
            answer = ask(address, texts, clients=clients, seconds=seconds)
            points.append({**dataclasses.asdict(setting), "clients": clients, **answer})
            log(f"{points[-1]}")
    return points


def _show(points: list[dict[str, Any]], chosen: dict[str, int]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*points[0], title="batching")
    for point in points:
        table.add_row(
            *("" if value is None else f"{value}" for value in point.values())
        )
    Console().print(table)
    print(f"chosen: {chosen}")


def main() -> None:
    """Runs the command line."""
    run_command(batching)
