"""The command line of the benchmark."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command_line import (
    AsJson,
    Data,
    Overrides,
    corpus_name,
    log,
    run_command,
)
from benchmarks.report import publish
from benchmarks.serve_roundtrip.parts import profile_request, serving_messages
from benchmarks.serve_roundtrip.round_trips import draw_batches, measure_requests
from benchmarks.serving_process import serve
from benchmarks.sizes import load_sizes
from benchmarks.translators import (
    SavedTranslator,
    TrainEpochs,
    describe_translator,
    find_or_train,
    load_exported,
    take_test,
)
from keras_attn.serving.client import Client
from keras_attn.serving.export import export_translator
from keras_attn.training.corpora import load_corpus

__all__ = ["main", "serve_roundtrip"]

_SIZES = (1, 8, 32)


def serve_roundtrip(
    overrides: Overrides = None,
    data: Data = None,
    translator: SavedTranslator = None,
    train_epochs: TrainEpochs = 2,
    beam_size: Annotated[
        int | None, typer.Option(min=1, show_default="the translator's own")
    ] = None,
    requests: Annotated[int, typer.Option(min=2, help="Of each size in a round.")] = 20,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure what gRPC adds to a translation by the exported model.

    `keras-attn serve` runs in a process of its own. For 1, 8 and 32 sentences a request
    goes over gRPC, and then the same call is made in this process, while the server is
    idle. Then the parts of a request of 32 are measured one by one.

    Example: python -m benchmarks.serve_roundtrip --data multi30k
    --translator runs/multi30k
    """
    serving_messages()  # refuses before the work
    recipe = load_sizes(overrides, data)
    test, pairs = take_test(load_corpus(recipe.corpus), None)
    texts = [pair.source for pair in pairs]
    found = find_or_train(translator, recipe, train_epochs)
    beam = found.beam_size if beam_size is None else beam_size
    with tempfile.TemporaryDirectory() as folder:
        version = export_translator(
            found, Path(folder), beam_size=beam, self_test=False
        )
        with serve(Path(folder)) as address, Client(address, timeout=600) as client:
            log(f"{rounds} rounds of {requests} requests of each size")
            figures = measure_requests(
                {"grpc": client.translate, "inprocess": load_exported(version)},
                texts,
                sizes=_SIZES,
                requests=requests,
                rounds=rounds,
            )
    log("the parts of a request")
    batches = draw_batches(texts, _SIZES[-1], requests)
    circumstances = {
        **describe_translator(found, translator, train_epochs),
        "beam_size": beam,
        "test": test,
        "requests": requests,
        "rounds": rounds,
    }
    publish(
        "serve_roundtrip",
        corpus_name(recipe),
        {
            **figures,
            **profile_request(found, batches, beam_size=beam),
            **circumstances,
        },
        as_json=as_json,
        client="all",
        server="all",
    )


def main() -> None:
    """Runs the command line."""
    run_command(serve_roundtrip)
