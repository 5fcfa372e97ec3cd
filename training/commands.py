"""The subcommands of `keras-attn` that this package adds: train and evaluate.

Each function is registered as an entry point of the group `keras_attn.commands`. What
is heavy is imported when it is needed, so that `keras-attn --help` is quick.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["evaluate", "train"]


def train(
    recipe: Annotated[
        str,
        typer.Argument(help="Name of a recipe (demo, multi30k), or a .toml file."),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Options to change, such as training.epochs=3 model.dropout=0.2.",
            metavar="[SECTION.OPTION=VALUE]...",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Run folder; must not hold a run yet.")
    ] = ...,  # type: ignore[assignment]
    data: Annotated[
        str | None,
        typer.Option(help="Where the corpus lies; the same as corpus.data=PATH."),
    ] = None,
) -> None:
    """Train a translator and save it as OUT/translator.keras.

    Progress goes to standard error; the last line on standard output is the report
    as JSON. The translator appears only when training is finished.

    Examples: keras-attn train demo --out runs/demo

    keras-attn train multi30k --data multi30k --out runs/multi30k

    keras-attn train multi30k corpus.source_language=en corpus.target_language=de
    --data multi30k --out runs/en-de
    """
    from training.recipes import load_recipe

    assignments = list(overrides or [])
    if data is not None:
        assignments.append(f"corpus.data={data}")
    resolved = load_recipe(recipe).override(assignments)

    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import SAVED_NAME
    from training.allocator import keep_freed_memory

    keep_freed_memory()
    import_tensorflow()
    from training.fit import fit

    report = fit(resolved, out, tell=_tell)
    print(json.dumps({"translator": str(out / SAVED_NAME), **report}))


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
    hypotheses: Annotated[
        Path | None, typer.Option(help="Write the translations here, one a line.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line instead of a table.")
    ] = False,
) -> None:
    """Score a translator: BLEU and chrF by sacreBLEU, AER where alignments are known.

    Examples: keras-attn evaluate runs/demo

    keras-attn evaluate runs/multi30k --source test.de --target test.en
    """
    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import find_translator

    path = find_translator(translator)
    import_tensorflow()
    from rich.progress import track

    from keras_attn import Translator
    from training.evaluation import evaluate_translator
    from training.evaluation_pairs import pairs_from_files, pairs_from_run
    from training.recipes import load_recipe

    if source is None and target is None and alignment is None:
        name, pairs = pairs_from_run(path.parent, split, data)
        words = words or load_recipe(path.parent / "recipe.toml").corpus.words
    else:
        words = words or "marks"
        name, pairs = pairs_from_files(source, target, alignment, words)
    result = evaluate_translator(
        Translator.load(path),
        pairs,
        beam_size=beam_size,
        length_penalty=length_penalty,
        coverage_penalty=coverage_penalty,
        words=words,
        batch_size=batch_size,
        track=lambda chunks: track(
            chunks, f"translating {name}", console=_console(), transient=True
        ),
    )
    if hypotheses is not None:
        lines = [answer.text + "\n" for answer in result.hypotheses]
        hypotheses.write_text("".join(lines), encoding="utf-8", newline="\n")
    _print_scores({"data": name, **result.scores}, as_json)


def _print_scores(scores, as_json):
    if as_json:
        print(json.dumps(scores))
        return
    width = max(map(len, scores))
    for name, value in scores.items():
        shown = f"{value:.4g}" if isinstance(value, float) else value
        print(f"{name:<{width}}  {shown}")


def _console():
    from rich.console import Console

    return Console(file=sys.stderr)


def _tell(line):
    print(line, file=sys.stderr, flush=True)
