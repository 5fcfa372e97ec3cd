"""The subcommand that adds a lexical shortlist to a finished translator."""

from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, print_result, waiting

__all__ = ["shortlist"]


def shortlist(
    translator: Annotated[
        Path, typer.Argument(help="A .keras file, or the run folder that holds it.")
    ],
    out: Annotated[
        Path, typer.Option(help="The .keras file to write; must not exist yet.")
    ] = ...,  # type: ignore[assignment]
    source: Annotated[
        Path | None, typer.Option(help="Source sentences to count, one a line.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option(help="Their translations, one a line.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Where the corpus of the run lies now, whose training pairs are "
            "counted without --source.",
            show_default="where the recipe says",
        ),
    ] = None,
    size: Annotated[
        int, typer.Option(min=1, help="Likely translations of each source subword.")
    ] = 32,
    as_json: AsJson = False,
) -> None:
    """Let a translator choose among likely words, which is faster.

    Which target subwords translate a source subword is counted in sentence pairs: the
    training pairs of the run, or those of --source and --target. The translator stays
    as it is; the path of the new one is printed.

    Examples: keras-attn shortlist runs/de-en --out short.keras

    keras-attn shortlist de-en.keras --source train.de --target train.en --out
    short.keras
    """
    from keras_attn.saved import find_translator
    from keras_attn.training.commands.new_translator import (
        check_new_translator,
        save_new_translator,
    )
    from keras_attn.training.commands.shortlist_request import find_training_pairs

    check_new_translator(out)
    path = find_translator(translator)
    name, pairs = find_training_pairs(
        path.parent, source=source, target=target, data=data
    )

    from keras_attn.quiet import import_tensorflow

    with waiting("counting which words translate each other"):
        import_tensorflow()
        from keras_attn import Translator
        from keras_attn.training.alignment.shortlist import add_shortlist

        made, counted = add_shortlist(Translator.load(path), pairs, size, name)
        save_new_translator(made, out)
    print_result({"translator": out, **counted}, str(out), as_json)
