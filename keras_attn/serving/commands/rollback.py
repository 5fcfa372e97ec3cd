"""`keras-attn rollback`: withdraws the newest version of a model."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, log, print_result
from keras_attn.serving.version_folders import roll_back

__all__ = ["rollback"]


def rollback(
    models_dir: Annotated[
        Path, typer.Argument(help="Base path of the model: one folder per version.")
    ],
    to: Annotated[
        int | None,
        typer.Option(
            help="The version to return to.", show_default="the second newest"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw the newest version; a server returns to the one before.

    The folder is renamed, not deleted, and its number is not used again. Prints the
    folder of the version that is the newest now.

    Example: keras-attn rollback models/translator
    """
    newest, renamed = roll_back(models_dir, to)
    for path in renamed:
        log(f"set aside: {path}")
    folder = models_dir / str(newest)
    result = {"folder": folder, "version": newest, "set_aside": renamed}
    print_result(result, str(folder), as_json)
