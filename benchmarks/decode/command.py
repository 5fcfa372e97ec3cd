"""The command line of the benchmark."""

from typing import Annotated

import typer

from benchmarks.command_line import (
    AsJson,
    Data,
    Overrides,
    corpus_name,
    run_command,
)
from benchmarks.decode.measure import measure_decoding
from benchmarks.report import publish
from benchmarks.sizes import load_sizes
from benchmarks.translators import (
    SavedTranslator,
    TrainEpochs,
    describe_translator,
    find_or_train,
    learn_from,
    take_test,
)
from keras_attn.training.corpora import load_corpus

__all__ = ["decode", "main"]


def decode(
    overrides: Overrides = None,
    data: Data = None,
    translator: SavedTranslator = None,
    train_epochs: TrainEpochs = 2,
    sentences: Annotated[
        int | None, typer.Option(min=1, show_default="all of the first test")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    beam_size: Annotated[int, typer.Option(min=2)] = 5,
    singly: Annotated[
        int, typer.Option(min=1, help="Sentences translated one by one in a round.")
    ] = 200,
    shortlist: Annotated[
        int | None,
        typer.Option(min=1, help="Also by so many translations of each subword."),
    ] = None,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Also with weights of 16 bits.")
    ] = False,
    compare: Annotated[
        str | None,
        typer.Option(help="plain_keras: greedy search in Keras alone, in this run."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure translating in sentences a second, from text to text.

    Each round translates all sentences greedily, by beam search, and by the exported
    model, then some of them one by one, and measures the machine's float32 matrix
    products. Batches have a process with the threads of `keras-attn translate FILE`,
    single sentences one with all threads. A first pass, not counted, traces, and is
    scored by BLEU.

    Example: python -m benchmarks.decode --data multi30k --translator runs/multi30k
    """
    if compare not in (None, "plain_keras"):
        raise typer.BadParameter(f"must be plain_keras. Received: {compare!r}.")
    recipe = load_sizes(overrides, data)
    corpus = load_corpus(recipe.corpus)
    test, pairs = take_test(corpus, sentences)
    found = find_or_train(translator, recipe, train_epochs)
    figures = measure_decoding(
        found,
        pairs,
        batch_size=batch_size,
        beam_size=beam_size,
        singly=singly,
        rounds=rounds,
        bfloat16=bfloat16,
        plain_keras=compare is not None,
        shortlist=(
            None if shortlist is None else learn_from(corpus, found, recipe, shortlist)
        ),
    )
    circumstances = {
        **describe_translator(found, translator, train_epochs),
        "test": test,
        "sentences": len(pairs),
        "batch_size": batch_size,
        "rounds": rounds,
        "shortlist": shortlist,
    }
    publish(
        "decode",
        corpus_name(recipe),
        {**figures, **circumstances},
        as_json=as_json,
        intra_op="all",
        inter_op="all",
    )


def main() -> None:
    """Runs the command line."""
    run_command(decode)
