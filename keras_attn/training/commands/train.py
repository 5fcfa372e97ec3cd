"""`keras-attn train`: from a recipe to a saved translator."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keras_attn.command_line import log, print_result
from keras_attn.training.commands.report import write_report

if TYPE_CHECKING:
    from keras_attn.training.recipes import Recipe

__all__ = ["train"]


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Name of a recipe (demo, fast, multi30k, multi30k-best), or a .toml "
            "file.",
            show_default="with --resume: that of OUT; with --from: that of its run",
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
        typer.Option(help="Run folder: new, or of an unfinished run."),
    ] = ...,  # type: ignore[assignment]
    data: Annotated[
        str | None,
        typer.Option(help="Path of the corpus; the same as corpus.data=PATH."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Finished translator to fine-tune, a .keras file or a run folder; the "
            "same as start.translator=PATH.",
        ),
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option(
            help="Parts of the model that keep their weights, such as "
            "encoder,embeddings; the same as training.freeze=PARTS."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the unfinished run in OUT.")
    ] = False,
) -> None:
    """Train a translator and save it as OUT/translator.keras.

    Progress goes to standard error; the last line on standard output is the report as
    JSON. The translator is written when training is finished, then a page about the
    run, OUT/report.html. An interrupted run is continued by --resume, or by the same
    command.

    --from goes on with a finished translator: the weights, vocabularies and options
    that the recipe leaves out are the translator's.

    Examples: keras-attn train demo --out runs/demo

    keras-attn train --resume --out runs/demo

    keras-attn train multi30k --data multi30k --out runs/multi30k

    keras-attn train multi30k corpus.source_language=en corpus.target_language=de
    --data multi30k --out runs/en-de

    keras-attn train --from runs/multi30k --data talks --out runs/talks
    training.learning_rate=1e-4
    """
    assignments = list(overrides or [])
    if recipe is not None and re.match(r"\w+\.\w+=", recipe):
        assignments.insert(0, recipe)  # without RECIPE, the first word is an override
        recipe = None
    if data is not None:
        assignments.append(f"corpus.data={data}")
    if freeze is not None:
        assignments.append(f"training.freeze={freeze}")
    resolved = _resolve_recipe(recipe, assignments, out, start, resume)

    from keras_attn.portable import check_tensorflow_text
    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import SAVED_NAME
    from keras_attn.training.loop.machine import keep_freed_memory

    check_tensorflow_text("train")
    keep_freed_memory()
    import_tensorflow()
    from keras_attn.training.fit import fit

    report = fit(resolved, out, log=log)
    translator = out / SAVED_NAME
    if translator.exists():  # only the chief of several workers writes it
        log(f"wrote {write_report(out)}")
        report = {"translator": str(translator), **report}
    print_result(report, "", as_json=True)


def _resolve_recipe(
    recipe: str | None,
    assignments: list[str],
    out: Path,
    start: Path | None,
    resume: bool,
) -> "Recipe":
    """Returns the recipe with all options set, those of a translator among them."""
    from keras_attn.saved import find_translator
    from keras_attn.training.finetuning import translator_options
    from keras_attn.training.recipes import load_recipe
    from keras_attn.training.runs.run_folder import RunFolder
    from keras_attn.training.translator_file import recipe_of_translator

    base: str | Path | None = recipe  # `fit` compares it with that of an unfinished run
    file = None if start is None else find_translator(start)
    if file is not None:
        assignments = [f"start.translator={file}", "start.sha256=none", *assignments]
        base = recipe or recipe_of_translator(file)
        inherited = base if recipe is None else None
        if inherited and load_recipe(inherited).training.teacher_sha256 is not None:
            log("its teacher is left out: training.teacher=FILE distils again")
            none = ("teacher", "teacher_weight", "teacher_sha256")
            assignments = [*(f"training.{name}=none" for name in none), *assignments]
    if any(word.startswith("training.teacher=") for word in assignments):
        assignments = ["training.teacher_sha256=none", *assignments]
    if resume and recipe is None:
        return RunFolder(out).load_recipe().override(assignments)
    if base is None:
        raise ValueError(
            "A run needs a recipe. Received: none. Name one, such as demo, or continue "
            "an unfinished run by --resume."
        )
    if file is None:
        resolved = load_recipe(base).override(assignments)
        if resolved.start.translator is None:
            return resolved
        file = find_translator(resolved.start.translator)
    return load_recipe(base, translator_options(file)).override(assignments)
