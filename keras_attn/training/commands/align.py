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
    attention: Annotated[
        bool,
        typer.Option(
            "--attention",
            help="Read links off attention, though the translator has an aligner. "
            "--posterior and --relative do so, too.",
        ),
    ] = False,
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
    train: Annotated[
        bool,
        typer.Option(
            "--train",
            help="Train an aligner for the translator on these pairs, and write the "
            "translator with it to --out.",
        ),
    ] = False,
    links: Annotated[
        Path | None,
        typer.Option(
            help="With --train: links of the pairs to learn from, in the Pharaoh "
            "format.",
            show_default="learned from the pairs",
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="With --train: replace the translator's own file, instead of --out.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File for the links, instead of standard output; with --train, the "
            "new .keras file."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    as_json: AsJson = False,
) -> None:
    """Align the words of sentence pairs, or train an aligner.

    Links are those of the aligner where the translator has one, otherwise those of its
    attention. Prints a line for each pair: links i-j of source word i and target word
    j, counted from 0 (the Pharaoh format), or with --json an object with a list of
    links. With --gold, prints one JSON line of AER, precision and recall.

    --train adds an aligner to a finished translator, whose translations stay the same,
    and prints the path of the new file.

    Examples: keras-attn align runs/de-en --source test.de --target test.en

    keras-attn align runs/de-en --reverse runs/en-de --source a.de --target a.en
    --out a.de-en.align

    keras-attn align --train runs/de-en --source a.de --target a.en --out new.keras
    """
    if train:
        others = {
            "--reverse": reverse,
            "--gold": gold,
            "--threshold": threshold,
            "--attention": attention,
            "--posterior": posterior,
            "--relative": relative,
        }
        _check_training(out, replace, [name for name in others if others[name]])
        _train(translator, source, target, links, words, out, as_json)
        return
    if links is not None or replace:
        raise ValueError(
            "--links and --replace belong to --train. Received: no --train. Add it, "
            "or leave them out."
        )
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
        "attention": attention,
        "relative": relative,
        "posterior": posterior,
        "batch_size": batch_size,
    }
    pair_links = _links(paths[0], sources, targets, "aligning", options)
    if reverse is not None:
        transposed = _links(paths[1], targets, sources, "aligning in reverse", options)
        backward = [
            {(i, j) for j, i in reversed_links} for reversed_links in transposed
        ]
        pair_links = [
            combine(*directions, symmetrise)
            for directions in zip(pair_links, backward, strict=True)
        ]
    lines = [format_pharaoh(Alignment(one)) for one in pair_links]
    if out is not None:
        write_lines(out, lines)
    if gold is not None:
        scores = alignment_scores(
            pair_links, [parse_pharaoh(p.alignment or "") for p in pairs]
        )
        print_result({"pairs": len(pairs), **scores}, "", as_json=True)
    elif out is not None and as_json:
        print_result({"pairs": len(pairs), "file": out}, "", as_json)
    elif out is None:
        for one, line in zip(pair_links, lines, strict=True):
            print_result({"links": sorted(map(list, one))}, line, as_json)


def _check_training(out: Path | None, replace: bool, others: list[str]) -> None:
    """Checks the options of --train before the work."""
    from keras_attn.training.commands.output import check_new_translator

    if others:
        raise ValueError(
            "--train writes a translator, no links. "
            f"Received: {', '.join(others)}. Leave them out, and align by the new one."
        )
    if replace == (out is not None):
        raise ValueError(
            "--train writes a new file, --out FILE.keras, or replaces the "
            f"translator's own by --replace. Received: --out {out}, "
            f"{'--replace' if replace else 'no --replace'}. Give one of them."
        )
    if out is not None:
        check_new_translator(out)


def _train(path, source, target, links, words, out, as_json):
    """Trains an aligner for a saved translator, and saves it with that."""
    from keras_attn.presets import is_packaged
    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import find_translator
    from keras_attn.training.commands.output import save_new_translator
    from keras_attn.training.evaluation.pairs import pairs_from_files

    file = find_translator(path)
    if out is None:
        if is_packaged(file):
            raise ValueError(
                "--replace changes a file of your own. "
                f"Received: {file}, which is installed. Give --out."
            )
        check_output(file)
    name, pairs = pairs_from_files(source, target, links, words)
    with waiting(f"loading {file}"):
        import_tensorflow()
        from keras_attn import Translator
        from keras_attn.training.alignment.aligner_training import add_aligner

        translator = Translator.load(file)
    new, statistics = add_aligner(translator, pairs, name, words=words, log=log)
    save_new_translator(new, out or file)
    print_result({"translator": out or file, **statistics}, str(out or file), as_json)


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
