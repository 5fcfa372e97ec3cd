"""German-English sentence pairs with gold word alignments, from a grammar."""

from training.corpora.builtin.generate import generate, generate_labelled
from training.corpora.builtin.lexicon import lexeme_count
from training.corpora.builtin.split import SPLITS, split_of
from training.corpora.builtin.tokens import GeneratedPair

__all__ = [
    "SPLITS",
    "GeneratedPair",
    "generate",
    "generate_labelled",
    "lexeme_count",
    "split_of",
]
