"""`keras-attn train`: from a recipe to a saved translator."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import log, print_result
from keras_attn.training.commands.report import write_report

__all__ = ["train"]


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Name of a recipe (demo, multi30k, multi30k-best), or a .toml file.",
            show_default="with --resume: that of OUT",
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
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the unfinished run in OUT.")
    ] = False,
) -> None:
    """Train a translator and save it as OUT/translator.keras.

    Progress goes to standard error; the last line on standard output is the report as
    JSON. The translator is written when training is finished, then a page about the
    run, OUT/report.html. An interrupted run is continued by --resume, or by the same
    command.

    Examples: keras-attn train demo --out runs/demo

    keras-attn train --resume --out runs/demo

    keras-attn train multi30k --data multi30k --out runs/multi30k

    keras-attn train multi30k corpus.source_language=en corpus.target_language=de
    --data multi30k --out runs/en-de
    """
    from keras_attn.training.recipes import load_recipe
    from keras_attn.training.runs.run_folder import RunFolder

    assignments = list(overrides or [])
    if data is not None:
        assignments.append(f"corpus.data={data}")
    base = RunFolder(out).load_recipe() if resume else None
    if recipe is not None:
        base = load_recipe(recipe)  # `fit` compares it with that of an unfinished run
    if base is None:
        raise ValueError(
            "A run needs a recipe. Received: none. Name one, such as demo, or continue "
            "an unfinished run by --resume."
        )
    resolved = base.override(assignments)

    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import SAVED_NAME
    from keras_attn.training.loop.machine import keep_freed_memory

    keep_freed_memory()
    import_tensorflow()
    from keras_attn.training.fit import fit

    report = fit(resolved, out, log=log)
    translator = out / SAVED_NAME
    if translator.exists():  # only the chief of several workers writes it
        log(f"wrote {write_report(out)}")
        report = {"translator": str(translator), **report}
    print_result(report, "", as_json=True)
