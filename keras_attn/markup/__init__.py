"""Texts with tags and placeholders, translated by way of their plain text.

Plain Python and NumPy: a client without TensorFlow or Keras can use it.
"""

from keras_attn.markup.placeholders import PLACEHOLDERS
from keras_attn.markup.translate import (
    MarkupError,
    MarkupTranslation,
    translate_markup,
    translate_markup_async,
)

__all__ = [
    "PLACEHOLDERS",
    "MarkupError",
    "MarkupTranslation",
    "translate_markup",
    "translate_markup_async",
]
