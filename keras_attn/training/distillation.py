"""Distillation: the finished translator that teaches a training.

The recipe names its file and the SHA-256 of it (`translator_file`).
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from keras_attn.presets import digest
from keras_attn.saved import find_translator
from keras_attn.training.finetuning import Start
from keras_attn.training.recipes import Recipe, RecipeError
from keras_attn.training.recipes.sections.training import AVERAGE_TEACHER
from keras_attn.training.runs.run_folder import RunFolder
from keras_attn.training.translator_file import (
    check_languages,
    check_options,
    find_unchanged,
    model_type,
)

if TYPE_CHECKING:
    from keras_attn import Translator

__all__ = ["SavedTeacher", "load_teacher", "resolve_teacher"]

_RULE = "A model has the vocabularies of its teacher."


class SavedTeacher(NamedTuple):
    """The translator that teaches, and the file it was read from."""

    file: Path
    translator: "Translator"


def resolve_teacher(recipe: Recipe) -> Recipe:
    """Returns the recipe with the file of the teacher and its digest.

    A recipe that has a digest, or whose teacher is no file, is returned as it is.

    Raises:
        FileNotFoundError: If there is no translator.
        RecipeError: If the teacher was trained for other languages.
    """
    options = recipe.training
    if options.teacher is None or options.teacher == AVERAGE_TEACHER:
        return recipe
    if options.teacher_sha256 is not None:
        return recipe
    file = find_translator(options.teacher)
    check_languages(recipe, file, "A teacher translates between the same languages.")
    training = dataclasses.replace(
        options, teacher=str(file), teacher_sha256=digest(file)
    )
    return dataclasses.replace(recipe, training=training)


def load_teacher(
    recipe: Recipe, run: RunFolder, start: Start | None
) -> SavedTeacher | None:
    """Loads the teacher, whose vocabularies those of the training must be.

    Args:
        recipe: A recipe from `resolve_teacher`.
        run: The run folder, whose copy of the teacher is used if there is one.
        start: The translator to fine-tune, if any.

    Returns:
        The translator, or ensemble, in the precision of the training, and the file it
        was read from; `None` for a recipe whose teacher is no file.

    Raises:
        FileNotFoundError: If the teacher is neither in the run folder nor where it was,
            or has changed.
        RecipeError: If the recipe wants, or `start` has, other vocabularies.
        ValueError: If the file holds no translator.
    """
    options = recipe.training
    if options.teacher is None or options.teacher == AVERAGE_TEACHER:
        return None
    from keras_attn import Seq2Seq, Translator
    from keras_attn.models import Ensemble

    file = find_unchanged(
        run.teacher,
        {
            "training.teacher": options.teacher,
            "training.teacher_sha256": str(options.teacher_sha256),
        },
        "A model learns from the teacher that its recipe names.",
        "Restore it, or start a new run.",
    )
    translator = Translator.load(file)
    if start is None:
        _check_recipe(recipe, translator)
    else:
        _check_start(recipe, start.translator, translator)
    saved = translator.in_precision("float32").seq2seq
    models = []
    for member in getattr(saved, "members", [saved]):
        model = Seq2Seq(member.config, dtype=options.precision)
        model.set_weights(member.get_weights())
        models.append(model)
    teacher: Seq2Seq | Ensemble = models[0] if len(models) == 1 else Ensemble(models)
    return SavedTeacher(file, translator.with_model(teacher))


def _codecs(translator):
    return translator.source_codec, translator.target_codec


def _check_recipe(recipe, teacher):
    text, codecs = recipe.text, _codecs(teacher)
    size = max(codec.vocabulary_size for codec in codecs)
    pairs = [
        ("text.shared", text.shared, teacher.shares_codec),
        ("text.vocabulary_size", text.vocabulary_size, size),
        *(("text.model_type", text.model_type, model_type(codec)) for codec in codecs),
    ]
    check_options(
        pairs,
        f"{_RULE} For training.teacher={recipe.training.teacher}:",
        "Set these options to the teacher's, or name another teacher.",
    )


def _check_start(recipe, start, teacher):
    for side, own, other in zip(
        ("source", "target"), _codecs(start), _codecs(teacher), strict=True
    ):
        if own.model != other.model:
            raise RecipeError(
                f"{_RULE} Received: training.teacher={recipe.training.teacher}, whose "
                f"{side} vocabulary of {other.vocabulary_size} subwords is not that of "
                f"start.translator={recipe.start.translator}, of "
                f"{own.vocabulary_size}. Name a teacher that was trained with the same "
                "vocabularies."
            )
