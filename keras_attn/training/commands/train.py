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
    from keras_attn.training.recipes import load_recipe
    from keras_attn.training.runs.run_folder import RunFolder

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
    from keras_attn.training.loop.allocator import keep_freed_memory

    keep_freed_memory()
    import_tensorflow()
    from keras_attn.training.fit import fit

    found = fit(resolved, out, log=log)
    saved = out / SAVED_NAME
    if saved.exists():  # one of many workers has it
        log(f"wrote {write_report(out)}")
        found = {"translator": str(saved), **found}
    print_result(found, "", as_json=True)
