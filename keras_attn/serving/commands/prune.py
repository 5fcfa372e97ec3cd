"""`keras-attn prune`: old versions of a model are deleted."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, print_result
from keras_attn.serving.version_changes import prune_versions

__all__ = ["prune"]


def prune(
    models_dir: Annotated[
        Path, typer.Argument(help="Base path of the model: one folder a version.")
    ],
    keep: Annotated[int, typer.Option(min=1, help="The newest versions to keep.")] = 3,
    server: Annotated[
        str | None,
        typer.Option(help="HOST:PORT of a server, whose versions are kept, too."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name of the model on the server.", show_default="the folder's name"
        ),
    ] = None,
    served_too: Annotated[
        bool,
        typer.Option("--served-too", help="Delete even what the server has loaded."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would go, delete nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete all versions but the newest.

    A server that serves the newest version, as it does by default, is not disturbed.
    One that serves others, by its configuration or by labels, is asked with --server.
    Prints the folders deleted.

    Example: keras-attn prune models/translator --keep 3 --server 127.0.0.1:8500
    """
    served = []
    if server is not None and not served_too:
        from keras_attn.serving.client import Client

        with Client(server, model=model or models_dir.absolute().name) as client:
            served = [each.version for each in client.status() if each.state != "END"]
    for path in prune_versions(models_dir, keep, served, dry_run=dry_run):
        found = {"folder": path, "deleted": not dry_run}
        print_result(found, str(path), as_json)
