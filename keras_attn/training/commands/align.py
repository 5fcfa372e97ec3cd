"""The subcommand `keras-attn align`: word alignments of a parallel file.

Registered as an entry point of the group `keras_attn.commands`. What is heavy is
imported when it is needed, so that `keras-attn --help` is quick.
"""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, log, print_result, track, waiting

__all__ = ["align"]


def align(
    translator: Annotated[
        Path, typer.Argument(help="A .keras file, or the run folder that holds it.")
    ],
    source: Annotated[Path, typer.Option(help="Source sentences, one a line.")],
    target: Annotated[Path, typer.Option(help="Their translations, one a line.")],
    reverse: Annotated[
        Path | None,
        typer.Option(help="A translator of the other direction, to combine with."),
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
            help="Where, given each word, the translator found it, instead of where it "
            "looked before: better links, for as many times the work as a source has "
            "tokens.",
        ),
    ] = False,
    relative: Annotated[
        bool,
        typer.Option(
            "--relative",
            help="Weigh attention to a source word against what it gets from all "
            "target words: better links where attention was not guided.",
        ),
    ] = False,
    words: Annotated[
        str,
        typer.Option(
            help="What links count: marks (words, and each punctuation mark), or "
            "spaces (what they separate, in text that is tokenised already)."
        ),
    ] = "marks",
    gold: Annotated[
        Path | None,
        typer.Option(
            help="Known alignments, i-j sure, ipj possible: print scores, not links."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the links here, not to standard output."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    as_json: AsJson = False,
) -> None:
    """Align the words of sentence pairs by where a translator looks.

    Prints one line a pair, links i-j of source word i and target word j, counted from
    0 (the Pharaoh format), or {"links": [[i, j], ...]} with --json; with --gold, one
    JSON line of AER, precision and recall.

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
    from keras_attn.training.evaluation.evaluation_pairs import pairs_from_files
    from keras_attn.training.runs.run_folder import atomic_write

    combine((), (), symmetrise)  # refuses an unknown word before the work
    if out is not None and not out.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"The folder of --out must exist. Received: --out {out}. Make it first."
        )
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
        turned = _links(paths[1], targets, sources, "aligning in reverse", options)
        backward = [{(i, j) for j, i in each} for each in turned]
        both = zip(links, backward, strict=True)
        links = [combine(*each, symmetrise) for each in both]
    lines = "".join(format_pharaoh(Alignment(each)) + "\n" for each in links)
    if out is not None:
        with atomic_write(out) as aside:
            aside.write_text(lines, encoding="utf-8", newline="\n")
    if gold is not None:
        known = [parse_pharaoh(pair.alignment) for pair in pairs]
        scores = alignment_scores(links, known)
        print_result({"pairs": len(pairs), **scores}, "", as_json=True)
    elif out is not None and as_json:
        print_result({"pairs": len(pairs), "file": out}, "", as_json)
    elif out is None:
        for each, line in zip(links, lines.splitlines(), strict=True):
            print_result({"links": sorted(map(list, each))}, line, as_json)


def _links(path, sources, targets, doing, options):
    """Returns the links of pairs by one translator, which is dropped afterwards."""
    from keras_attn.quiet import import_tensorflow

    with waiting(f"loading {path}"):
        import_tensorflow()
        from keras_attn import Translator
        from keras_attn.text import graph
        from keras_attn.training.alignment.forced_links import forced_links

        graph.share_cores()
        translator = Translator.load(path)
    found = forced_links(
        translator,
        sources,
        targets,
        track=lambda chunks: track(chunks, doing),
        **options,
    )
    if found.truncated:
        log(
            f"{path}: {found.truncated:,} of {len(sources):,} pairs are longer than it "
            "reads: their last words have no links."
        )
    return found.links
