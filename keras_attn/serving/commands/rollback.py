"""`keras-attn rollback`: the newest version of a model is taken back."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, log, print_result
from keras_attn.serving.version_changes import roll_back

__all__ = ["rollback"]


def rollback(
    models_dir: Annotated[
        Path, typer.Argument(help="Base path of the model: one folder a version.")
    ],
    to: Annotated[
        int | None,
        typer.Option(
            help="The version to return to.", show_default="the one before the newest"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take the newest version back; a server returns to the one before.

    The folder is renamed, not deleted, and its number is not given out again. Prints
    the version's folder that is the newest now.

    Example: keras-attn rollback models/translator
    """
    newest, aside = roll_back(models_dir, to)
    for path in aside:
        log(f"set aside: {path}")
    folder = models_dir / str(newest)
    found = {"folder": folder, "version": newest, "set_aside": aside}
    print_result(found, str(folder), as_json)
