"""The subcommands of `keras-attn` that this package adds: train, evaluate, report.

Each function is registered as an entry point of the group `keras_attn.commands`. What
is heavy is imported when it is needed, so that `keras-attn --help` is quick.
"""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, print_result, tell, track, waiting

__all__ = ["evaluate", "report", "train"]


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Name of a recipe (demo, multi30k, multi30k-best), or a .toml file.",
            show_default="with --resume that of OUT",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Options to change, such as training.epochs=3 model.dropout=0.2.",
            metavar="[SECTION.OPTION=VALUE]...",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(help="Run folder: a new one, or that of an unfinished run."),
    ] = ...,  # type: ignore[assignment]
    data: Annotated[
        str | None,
        typer.Option(help="Where the corpus lies; the same as corpus.data=PATH."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the unfinished run in OUT.")
    ] = False,
) -> None:
    """Train a translator and save it as OUT/translator.keras.

    Progress goes to standard error; the last line on standard output is the report
    as JSON. The translator appears only when training is finished, then a page about
    the run as OUT/report.html. What was stopped or killed goes on by --resume, or by
    the same command again.

    Examples: keras-attn train demo --out runs/demo

    keras-attn train --resume --out runs/demo

    keras-attn train multi30k --data multi30k --out runs/multi30k

    keras-attn train multi30k corpus.source_language=en corpus.target_language=de
    --data multi30k --out runs/en-de
    """
    from training.recipes import load_recipe
    from training.run_folder import RunFolder

    assignments = list(overrides or [])
    if data is not None:
        assignments.append(f"corpus.data={data}")
    # With a recipe named beside it, `fit` compares the two.
    begun = RunFolder(out).begun_recipe() if resume else None
    if recipe is not None:
        begun = load_recipe(recipe)
    if begun is None:
        raise ValueError(
            "A run needs a recipe. Received: none. Name one, such as demo, or go on "
            "with an unfinished run by --resume."
        )
    resolved = begun.override(assignments)

    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import SAVED_NAME
    from training.allocator import keep_freed_memory

    keep_freed_memory()
    import_tensorflow()
    from training.fit import fit

    found = fit(resolved, out, tell=tell)
    saved = out / SAVED_NAME
    if saved.exists():  # one of many workers has it
        tell(f"wrote {_write_report(out)}")
        found = {"translator": str(saved), **found}
    print_result(found, "", as_json=True)


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
    from training.evaluation_request import (
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
        from training.cited_scores import cited_scores, table_of_scores

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


def report(
    run: Annotated[Path, typer.Argument(help="A run folder, finished or not.")],
    out: Annotated[
        Path | None, typer.Option(help="The page.", show_default="RUN/report.html")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a page about a run: curves, recipe, scores, samples.

    It is one file that loads nothing. A run that is still training may be looked at,
    too; scores are those of `keras-attn evaluate RUN`.

    Example: keras-attn report runs/demo
    """
    from training.evaluation_request import check_output

    check_output(out)
    with waiting("writing the page"):
        path = _write_report(run, out)
    print_result({"report": path}, str(path), as_json)


def _translate(path, name, pairs, search, words, batch_size):
    """Translates a test by a saved translator; returns one line each, and scores."""
    from keras_attn import Translator
    from keras_attn.text import graph
    from training.evaluation import evaluate_translator

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
    from training.run_folder import written_aside

    with written_aside(path) as aside:
        text = "".join(line + "\n" for line in lines)
        aside.write_text(text, encoding="utf-8", newline="\n")


def _write_report(run, out=None):
    """Writes the page of a run and returns its path."""
    from training.reporting import read_run, report_html
    from training.run_folder import RunFolder, written_aside

    path = RunFolder(run).page if out is None else out
    page = report_html(read_run(run))
    with written_aside(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


def _keep_scores(folder, scores):
    """Adds scores to the run, for its report; a run may be only for reading."""
    from training.run_folder import RunFolder

    try:
        RunFolder(folder).append_scores(scores)
    except OSError as error:
        tell(f"The scores are not kept in the run folder: {error}")
