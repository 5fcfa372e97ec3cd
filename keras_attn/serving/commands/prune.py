"""`keras-attn prune`: deletes old versions of a model."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, print_result
from keras_attn.serving.version_folders import prune_versions

__all__ = ["prune"]


def prune(
    models_dir: Annotated[
        Path, typer.Argument(help="Base path of the model: one folder per version.")
    ],
    keep: Annotated[int, typer.Option(min=1, help="Number of versions to keep.")] = 3,
    server: Annotated[
        str | None,
        typer.Option(help="HOST:PORT of a server; keep its versions, too."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name of the model on the server.", show_default="the folder's name"
        ),
    ] = None,
    served_too: Annotated[
        bool,
        typer.Option(
            "--served-too", help="Delete versions that the server has loaded, too."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the folders, delete nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete all versions but the newest.

    A server that serves the newest version, the default, is not affected. With --server
    the versions are kept that a server has loaded by its configuration or by labels.
    What killed exports have left goes, too. Prints the deleted folders.

    Example: keras-attn prune models/translator --keep 3 --server 127.0.0.1:8500
    """
    served = []
    if server is not None and not served_too:
        from keras_attn.serving.client import Client

        with Client(server, model=model or models_dir.absolute().name) as client:
            served = [
                version.version for version in client.status() if version.state != "END"
            ]
    for path in prune_versions(models_dir, keep, served, dry_run=dry_run):
        print_result({"folder": path, "deleted": not dry_run}, str(path), as_json)
