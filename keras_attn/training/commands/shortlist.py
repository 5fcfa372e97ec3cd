"""`keras-attn shortlist`: a lexical shortlist for a trained translator."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keras_attn.command_line import AsJson, print_result, waiting

if TYPE_CHECKING:
    from keras_attn.training.corpora import SentencePair

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
            help="Path of the run's corpus, whose training pairs are counted without "
            "--source.",
            show_default="that of the recipe",
        ),
    ] = None,
    size: Annotated[
        int,
        typer.Option(
            min=1, help="Number of likely translations of each source subword."
        ),
    ] = 32,
    as_json: AsJson = False,
) -> None:
    """Restrict a translator to likely target words, which is faster.

    The likely translations of each source subword are learned from sentence pairs: the
    training pairs of the run, or those of --source and --target. The translator is not
    changed; prints the path of the new one.

    Examples: keras-attn shortlist runs/de-en --out short.keras

    keras-attn shortlist de-en.keras --source train.de --target train.en --out
    short.keras
    """
    from keras_attn.saved import find_translator
    from keras_attn.training.commands.output import (
        check_new_translator,
        save_new_translator,
    )

    check_new_translator(out)
    path = find_translator(translator)
    name, pairs = _training_pairs(path.parent, source, target, data)

    from keras_attn.quiet import import_tensorflow

    with waiting(f"loading {path}"):
        import_tensorflow()
        from keras_attn import Translator
        from keras_attn.training.alignment.shortlist import add_shortlist

        old = Translator.load(path)
    new, statistics = add_shortlist(old, pairs, size, name)
    save_new_translator(new, out)
    print_result({"translator": out, **statistics}, str(out), as_json)


def _training_pairs(
    folder: Path, source: Path | None, target: Path | None, data: str | None
) -> tuple[str, Sequence["SentencePair"]]:
    """Returns name and pairs of two files, or of the training split of a run."""
    from keras_attn.training.corpora import CorpusError, load_corpus
    from keras_attn.training.evaluation.pairs import pairs_from_files
    from keras_attn.training.recipes import load_recipe

    files = source is not None or target is not None
    if files and (source is None or target is None or data is not None):
        raise CorpusError(
            "Pairs come from both --source and --target, or from the run's own corpus "
            f"(--data). Received: --source {source}, --target {target}, --data {data}."
        )
    if files:
        return pairs_from_files(source, target, None)
    path = folder / "recipe.toml"
    if not path.exists():
        raise CorpusError(
            "Without --source and --target the pairs come from the run's recipe. "
            f"Received: no {path}. Give --source and --target."
        )
    overrides = [] if data is None else [f"corpus.data={data}"]
    return str(path), load_corpus(load_recipe(path).override(overrides).corpus).train
