"""Recipes: what to train on, what to train and how, as typed and checked values."""

from keras_attn.training.recipes.recipe import Recipe, load_recipe, recipe_names
from keras_attn.training.recipes.sections import (
    CorpusOptions,
    DecodingOptions,
    ModelOptions,
    TextOptions,
    TrainingOptions,
)
from keras_attn.training.recipes.typed import RecipeError

__all__ = [
    "CorpusOptions",
    "DecodingOptions",
    "ModelOptions",
    "Recipe",
    "RecipeError",
    "TextOptions",
    "TrainingOptions",
    "load_recipe",
    "recipe_names",
]
