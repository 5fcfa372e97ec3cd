"""A finished translator that a recipe names by its file and the SHA-256 of it.

The run folder holds a copy until the run is finished: an unfinished run resumes where
the original has moved or changed.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_attn.presets import digest
from keras_attn.saved import SAVED_NAME
from keras_attn.training.recipes import Recipe, RecipeError, load_recipe
from keras_attn.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from keras_attn.text import SubwordCodec

__all__ = [
    "check_languages",
    "check_options",
    "find_unchanged",
    "model_type",
    "recipe_of_translator",
]

_MODEL_TYPES = {1: "unigram", 2: "bpe"}  # TrainerSpec.ModelType of SentencePiece


def recipe_of_translator(file: Path) -> Path | None:
    """Returns the recipe of the run that wrote a translator, if it is beside it."""
    recipe = RunFolder(file.parent).recipe
    return recipe if file.name == SAVED_NAME and recipe.is_file() else None


def check_languages(recipe: Recipe, file: Path, rule: str) -> None:
    """Refuses a translator that a run has trained for other languages.

    Args:
        recipe: The recipe that names the translator.
        file: The translator.
        rule: The first sentence of the message.

    Raises:
        RecipeError: If its languages differ from those of the recipe.
    """
    written_by = recipe_of_translator(file)
    if written_by is None:
        return
    names = ("source_language", "target_language")
    wanted, own = (
        [getattr(corpus, name) for name in names]
        for corpus in (recipe.corpus, load_recipe(written_by).corpus)
    )
    if wanted != own:
        raise RecipeError(
            f"{rule} Received: corpus.source_language={wanted[0]}, "
            f"corpus.target_language={wanted[1]}, for {file}, which translates from "
            f"{own[0]} into {own[1]}. The names are those of files or columns: give "
            "the pairs of a related language the translator's."
        )


def check_options(
    pairs: Iterable[tuple[str, Any, Any]], rule: str, remedy: str
) -> None:
    """Refuses a recipe that differs from a translator.

    Args:
        pairs: Name of an option, its value in the recipe, the translator's.
        rule: The first sentence of the message.
        remedy: The last one.

    Raises:
        RecipeError: If two values differ; the message names all that do.
    """
    differences = dict.fromkeys(
        f"{name}={wanted!r} for a translator with {own!r}"
        for name, wanted, own in pairs
        if wanted != own
    )
    if differences:
        raise RecipeError(f"{rule} Received: {', '.join(differences)}. {remedy}")


def model_type(codec: "SubwordCodec") -> str | None:
    """Returns the kind of a subword model, as `text.model_type` names it."""
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    proto.ParseFromString(codec.model)
    return _MODEL_TYPES.get(proto.trainer_spec.model_type)


def find_unchanged(
    copy: Path, options: Mapping[str, str], rule: str, remedy: str
) -> Path:
    """Returns the copy in the run folder or the original, whichever is unchanged.

    Args:
        copy: The copy.
        options: The recipe's two options by name: the original's path, its SHA-256.
        rule: The first sentence of the message.
        remedy: The last one.

    Raises:
        FileNotFoundError: If neither is there, or both have changed.
    """
    path, sha256 = options.values()
    reasons = []
    for file in (copy, Path(path)):
        if not file.is_file():
            reasons.append(f"there is no {file}")
        elif digest(file) != sha256:
            reasons.append(f"{file} is another file")
        else:
            return file
    received = ", ".join(f"{name}={value}" for name, value in options.items())
    raise FileNotFoundError(
        f"{rule} Received: {received}, but {' and '.join(reasons)}. {remedy}"
    )
