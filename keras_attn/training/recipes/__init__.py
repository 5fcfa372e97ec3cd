"""Recipes: all options of a training run, typed and checked."""

from keras_attn.training.recipes.options import RecipeError
from keras_attn.training.recipes.recipe import Recipe, load_recipe, recipe_names
from keras_attn.training.recipes.sections import (
    CorpusOptions,
    DecodingOptions,
    ModelOptions,
    StartOptions,
    TextOptions,
    TrainingOptions,
)

__all__ = [
    "CorpusOptions",
    "DecodingOptions",
    "ModelOptions",
    "Recipe",
    "RecipeError",
    "StartOptions",
    "TextOptions",
    "TrainingOptions",
    "load_recipe",
    "recipe_names",
]
