"""`keras-attn align`: word alignments of a parallel file."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, check_output, log, print_result, waiting

__all__ = ["align"]


def align(
    translator: Annotated[
        Path, typer.Argument(help="A .keras file, or the run folder that holds it.")
    ],
    source: Annotated[Path, typer.Option(help="Source sentences, one a line.")],
    target: Annotated[Path, typer.Option(help="Their translations, one a line.")],
    reverse: Annotated[
        Path | None,
        typer.Option(help="A translator for the other direction, to combine with."),
    ] = None,
    symmetrise: Annotated[
        str,
        typer.Option(
            help="With --reverse: intersection, union, grow-diag or grow-diag-final."
        ),
    ] = "grow-diag-final",
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Link a target word to each source word of at least this attention, "
            "not to the one with the most."
        ),
    ] = None,
    posterior: Annotated[
        bool,
        typer.Option(
            "--posterior",
            help="Posterior attention, computed after each target word is known, not "
            "the attention that predicts it: better links, for as many times the work "
            "as a source has tokens.",
        ),
    ] = False,
    relative: Annotated[
        bool,
        typer.Option(
            "--relative",
            help="Divide attention to a source word by its attention from all target "
            "words: better links where attention was not guided.",
        ),
    ] = False,
    words: Annotated[
        str,
        typer.Option(
            help="Units that links count: marks (words and punctuation marks), or "
            "spaces (tokens of text that is already tokenised, separated by spaces)."
        ),
    ] = "marks",
    gold: Annotated[
        Path | None,
        typer.Option(
            help="Gold alignments, i-j sure, ipj possible: print scores, not links."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File for the links, instead of standard output."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    as_json: AsJson = False,
) -> None:
    """Align the words of sentence pairs by a translator's attention.

    Prints a line for each pair: links i-j of source word i and target word j, counted
    from 0 (the Pharaoh format), or with --json an object with a list of links. With
    --gold, prints one JSON line of AER, precision and recall.

    Examples: keras-attn align runs/de-en --source test.de --target test.en

    keras-attn align runs/de-en --reverse runs/en-de --source a.de --target a.en
    --out a.de-en.align
    """
    from keras_attn.metrics import (
        Alignment,
        alignment_scores,
        format_pharaoh,
        parse_pharaoh,
    )
    from keras_attn.metrics import symmetrise as combine
    from keras_attn.saved import find_translator
    from keras_attn.training.commands.output import write_lines
    from keras_attn.training.evaluation.pairs import pairs_from_files

    combine((), (), symmetrise)  # refuses an unknown method before the work
    check_output(out)
    _, pairs = pairs_from_files(source, target, gold, words)
    sources = [pair.source for pair in pairs]
    targets = [pair.target for pair in pairs]
    paths = [find_translator(path) for path in (translator, reverse) if path]
    options = {
        "words": words,
        "threshold": threshold,
        "relative": relative,
        "posterior": posterior,
        "batch_size": batch_size,
    }
    links = _links(paths[0], sources, targets, "aligning", options)
    if reverse is not None:
        transposed = _links(paths[1], targets, sources, "aligning in reverse", options)
        backward = [{(i, j) for j, i in pair_links} for pair_links in transposed]
        links = [
            combine(*directions, symmetrise)
            for directions in zip(links, backward, strict=True)
        ]
    lines = [format_pharaoh(Alignment(pair_links)) for pair_links in links]
    if out is not None:
        write_lines(out, lines)
    if gold is not None:
        scores = alignment_scores(
            links, [parse_pharaoh(p.alignment or "") for p in pairs]
        )
        print_result({"pairs": len(pairs), **scores}, "", as_json=True)
    elif out is not None and as_json:
        print_result({"pairs": len(pairs), "file": out}, "", as_json)
    elif out is None:
        for pair_links, line in zip(links, lines, strict=True):
            print_result({"links": sorted(map(list, pair_links))}, line, as_json)


def _links(path, sources, targets, name, options):
    """Returns the links by one translator, which is freed afterwards."""
    from keras_attn.quiet import import_tensorflow

    with waiting(f"loading {path}"):
        import_tensorflow()
        from keras_attn import Translator
        from keras_attn.text import graph
        from keras_attn.training.alignment.forced_links import forced_links

        graph.share_cores()
        translator = Translator.load(path)
    result = forced_links(translator, sources, targets, name=name, **options)
    if result.truncated:
        log(
            f"{path}: {result.truncated:,} of {len(sources):,} pairs are longer than "
            "it reads: their last words have no links."
        )
    return result.links
