"""`keras-attn evaluate`: scores of a translator, as one cites them."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, log, print_result, track, waiting

__all__ = ["evaluate"]


def evaluate(
    translator: Annotated[
        Path, typer.Argument(help="A .keras file, or the run folder that holds it.")
    ],
    source: Annotated[
        Path | None,
        typer.Option(help="Source sentences, one a line. Default: the run's test."),
    ] = None,
    target: Annotated[
        Path | None, typer.Option(help="Their reference translations, one a line.")
    ] = None,
    alignment: Annotated[
        Path | None,
        typer.Option(
            help="Gold word alignments, one line a pair: i-j sure, ipj possible."
        ),
    ] = None,
    tsv: Annotated[
        Path | None, typer.Option(help="A table of pairs instead of two files.")
    ] = None,
    columns: Annotated[
        str, typer.Option(help="Its columns of source and target.")
    ] = "1,2",
    split: Annotated[
        str | None,
        typer.Option(
            help="Split of the run's own corpus: validation, or a test by name.",
            show_default="the first test",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Where the run's corpus lies now.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Compare with another system: its translations, one a line, or "
            "another run or .keras file, which translates now."
        ),
    ] = None,
    lowercase: Annotated[
        bool,
        typer.Option("--lowercase", help="Score chrF and TER lower-cased, too."),
    ] = False,
    beam_size: Annotated[
        int | None, typer.Option(min=1, show_default="the translator's own")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(min=0, show_default="the translator's own")
    ] = None,
    coverage_penalty: Annotated[
        float | None, typer.Option(min=0, show_default="the translator's own")
    ] = None,
    words: Annotated[
        str | None,
        typer.Option(
            help="Words that alignments count: marks, or spaces.",
            show_default="the run's own; with --source, marks",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    outputs: Annotated[
        Path | None, typer.Option(help="Write the translations here, one a line.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a translator as one cites it, with signatures and intervals.

    BLEU, chrF and TER with 95 % bootstrap intervals by sacreBLEU; BLEU by source
    length; the significance of a difference to another system; AER where alignments
    are known.

    Examples: keras-attn evaluate runs/demo

    keras-attn evaluate runs/multi30k --source test.de --target test.en

    keras-attn evaluate runs/new --against runs/old --outputs new.txt
    """
    from keras_attn.metrics.corpus_scores import import_sacrebleu
    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import find_translator
    from keras_attn.training.evaluation.evaluation_request import (
        check_output,
        find_other,
        find_pairs,
        run_words,
    )

    # All that may be refused comes before the first sentence is translated.
    path = find_translator(translator)
    of_the_run = source is None and tsv is None
    words = words or (run_words(path.parent) if of_the_run else "marks")
    name, pairs = find_pairs(
        path.parent,
        words=words,
        source=source,
        target=target,
        alignment=alignment,
        tsv=tsv,
        columns=columns,
        split=split,
        data=data,
    )
    other = find_other(against, len(pairs))
    check_output(outputs)
    with waiting("loading TensorFlow"):
        import_sacrebleu()
        import_tensorflow()
        from keras_attn.training.evaluation.cited_scores import (
            cited_scores,
            table_of_scores,
        )

    search = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "coverage_penalty": coverage_penalty,
    }
    texts, scores = _translate(path, name, pairs, search, words, batch_size)
    if outputs is not None:
        _write_lines(outputs, texts)
    if isinstance(other, Path):
        other, _ = _translate(other, name, pairs, search, words, batch_size)
    compared = None if other is None else (str(against), other)
    with waiting("resampling the test for intervals"):
        scores |= cited_scores(pairs, texts, against=compared, lowercase=lowercase)
    if of_the_run:
        _keep_scores(path.parent, scores)
    print_result(scores, table_of_scores(scores), as_json)


def _translate(path, name, pairs, search, words, batch_size):
    """Translates a test by a saved translator; returns one line each, and scores."""
    from keras_attn import Translator
    from keras_attn.text import graph
    from keras_attn.training.evaluation.evaluation import evaluate_translator

    graph.share_cores()
    translator = Translator.load(path)
    search = {
        option: getattr(translator, option) if value is None else value
        for option, value in search.items()
    }
    result = evaluate_translator(
        translator,
        pairs,
        words=words,
        batch_size=batch_size,
        track=lambda work: track(work, f"translating {name} by {path}"),
        **search,
    )
    lines = [" ".join(answer.text.splitlines()) for answer in result.hypotheses]
    return lines, {"data": name, **search, **result.scores}


def _write_lines(path, lines):
    from keras_attn.training.runs.run_folder import atomic_write

    with atomic_write(path) as aside:
        text = "".join(line + "\n" for line in lines)
        aside.write_text(text, encoding="utf-8", newline="\n")


def _keep_scores(folder, scores):
    """Adds scores to the run, for its report; a run may be only for reading."""
    from keras_attn.training.runs.run_folder import RunFolder

    try:
        RunFolder(folder).append_scores(scores)
    except OSError as error:
        log(f"The scores are not kept in the run folder: {error}")
