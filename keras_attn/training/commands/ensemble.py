"""`keras-attn ensemble`: one translator of several."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keras_attn.command_line import AsJson, print_result, waiting

if TYPE_CHECKING:
    from keras_attn import Translator

__all__ = ["ensemble", "load_ensemble"]


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
    """Combine translators into one that averages their probabilities.

    They must have the same vocabularies: runs on one corpus, with different seeds or
    models. Prints the path of the new translator, which has no aligner: one belongs to
    a single model.

    Example: keras-attn ensemble runs/1 runs/2 --out ensemble.keras
    """
    from keras_attn.saved import find_translator
    from keras_attn.training.commands.output import (
        check_new_translator,
        save_new_translator,
    )

    check_new_translator(out)
    paths = [find_translator(path) for path in translators]

    from keras_attn.quiet import import_tensorflow

    with waiting(f"combining {len(paths)} translators"):
        import_tensorflow()
        save_new_translator(load_ensemble(paths), out)
    print_result({"translator": out, "members": paths}, str(out), as_json)


def load_ensemble(paths: Sequence[Path]) -> "Translator":
    """Returns a translator that decodes with an ensemble of saved ones.

    Args:
        paths: Saved translators with the same vocabularies. Beam size, length penalty,
            limits and shortlist are those of the first. An ensemble among them adds
            each of its members.

    Raises:
        ValueError: If there are fewer than two, or vocabularies differ.
    """
    from keras_attn import Translator
    from keras_attn.models import Ensemble

    translators = [Translator.load(path) for path in paths]
    if len(translators) < 2:
        raise ValueError(
            "An ensemble is made of two or more translators. Received: "
            f"{len(translators)}."
        )
    first = translators[0]
    for path, other in zip(paths[1:], translators[1:], strict=True):
        for side in ("source_codec", "target_codec"):
            if getattr(other, side).model != getattr(first, side).model:
                raise ValueError(
                    "The translators of an ensemble have the same vocabularies. "
                    f"Received: {paths[0]} and {path}, which differ in their {side}. "
                    "Train on the same pairs with the same options of `text`."
                )
    models = [translator.seq2seq for translator in translators]
    members = [
        member for model in models for member in getattr(model, "members", [model])
    ]
    return first.with_model(Ensemble(members))
