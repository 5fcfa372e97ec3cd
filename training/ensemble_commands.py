"""The subcommand that makes one translator of several."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, print_result, waiting

__all__ = ["ensemble"]


def ensemble(
    translators: Annotated[
        list[Path],
        typer.Argument(help="Two or more .keras files, or run folders that hold them."),
    ],
    out: Annotated[
        Path, typer.Option(help="The .keras file to write; must not exist yet.")
    ] = ...,  # type: ignore[assignment]
    as_json: AsJson = False,
) -> None:
    """Join translators into one that averages their probabilities.

    They must have the same vocabularies: runs on one corpus, with other seeds or
    models. The path of the new translator is printed.

    Example: keras-attn ensemble runs/1 runs/2 --out ensemble.keras
    """
    from keras_attn.saved import find_translator
    from training.new_translator import check_new_translator, save_new_translator

    check_new_translator(out)
    paths = [find_translator(path) for path in translators]

    from keras_attn.quiet import import_tensorflow

    with waiting(f"joining {len(paths)} translators"):
        import_tensorflow()
        from training.ensembling import load_ensemble

        save_new_translator(load_ensemble(paths), out)
    print_result({"translator": out, "members": paths}, str(out), as_json)
