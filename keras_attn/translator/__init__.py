"""A translator: what is saved, evaluated, exported and served."""

from keras_attn.translator.translator import Translator

__all__ = ["Translator"]
