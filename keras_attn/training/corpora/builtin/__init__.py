"""German-English sentence pairs with gold word alignments, from a grammar.

A grammar rather than a public corpus: it needs no download and no licence, every pair
has gold links, and people can read its attention maps.
"""

from keras_attn.training.corpora.builtin.generate import generate, generate_labelled
from keras_attn.training.corpora.builtin.lexicon import lexeme_count
from keras_attn.training.corpora.builtin.split import SPLITS, split_of
from keras_attn.training.corpora.builtin.tokens import GeneratedPair

__all__ = [
    "SPLITS",
    "GeneratedPair",
    "generate",
    "generate_labelled",
    "lexeme_count",
    "split_of",
]
