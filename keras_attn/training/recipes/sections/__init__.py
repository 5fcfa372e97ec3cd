"""The sections of a recipe, a module each: options with type, range and help text."""

from keras_attn.training.recipes.sections.alignment import AlignmentOptions
from keras_attn.training.recipes.sections.corpus import CorpusOptions
from keras_attn.training.recipes.sections.decoding import DecodingOptions
from keras_attn.training.recipes.sections.model import ModelOptions
from keras_attn.training.recipes.sections.start import StartOptions
from keras_attn.training.recipes.sections.text import TextOptions
from keras_attn.training.recipes.sections.training import TrainingOptions

__all__ = [
    "AlignmentOptions",
    "CorpusOptions",
    "DecodingOptions",
    "ModelOptions",
    "StartOptions",
    "TextOptions",
    "TrainingOptions",
]
