"""The sections of a recipe, one module each: options with types, limits and helps."""

from training.recipes.sections.alignment import AlignmentOptions
from training.recipes.sections.corpus import CorpusOptions
from training.recipes.sections.decoding import DecodingOptions
from training.recipes.sections.model import ModelOptions
from training.recipes.sections.text import TextOptions
from training.recipes.sections.training import TrainingOptions

__all__ = [
    "AlignmentOptions",
    "CorpusOptions",
    "DecodingOptions",
    "ModelOptions",
    "TextOptions",
    "TrainingOptions",
]
