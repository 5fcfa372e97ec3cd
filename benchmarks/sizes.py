"""The model and the corpus that benchmarks share: their numbers belong together."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command_line import files_in, log
from keras_attn import Seq2SeqConfig
from keras_attn.training.recipes import Recipe, load_recipe

__all__ = [
    "RANDOM_IDS",
    "load_model_sizes",
    "load_sizes",
    "make_config",
    "subwords_to_learn",
]

RANDOM_IDS = "random ids of exact lengths"  # the corpus, where there is none

_RECIPE = Path(__file__).with_name("recipe.toml")
_BUILTIN_SUBWORDS = 400  # its words have no more


def load_sizes(overrides: Sequence[str] | None, data: Path | None = None) -> Recipe:
    """Returns the recipe of all benchmarks, changed as the command line says.

    Args:
        overrides: `section.option=value` each.
        data: Folder of parallel files; `None`: the built-in corpus, which is told.

    Raises:
        RecipeError: If an override does not fit.
    """
    recipe = load_model_sizes([*files_in(data), *(overrides or [])])
    if recipe.corpus.kind == "builtin":
        log("No --data: the built-in corpus, whose sentences are short.")
    return recipe


def load_model_sizes(overrides: Sequence[str] | None) -> Recipe:
    """Returns the same for a benchmark that reads no corpus."""
    return load_recipe(_RECIPE).override(overrides or [])


def make_config(recipe: Recipe) -> Seq2SeqConfig:
    """Returns the sizes of the recipe, whatever the vocabulary of the corpus is."""
    size = recipe.text.vocabulary_size
    return Seq2SeqConfig(
        source_vocabulary_size=size,
        target_vocabulary_size=size,
        seed=recipe.training.seed,
        **dataclasses.asdict(recipe.model),
    )


def subwords_to_learn(recipe: Recipe) -> int:
    """Returns how many subwords the recipe's corpus is cut into."""
    size = recipe.text.vocabulary_size
    return min(size, _BUILTIN_SUBWORDS) if recipe.corpus.kind == "builtin" else size
