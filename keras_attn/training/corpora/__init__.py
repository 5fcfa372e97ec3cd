"""Parallel corpora: the built-in grammar, files, TSV and TFDS."""

from keras_attn.training.corpora.corpus import Corpus, Split
from keras_attn.training.corpora.files import read_parallel
from keras_attn.training.corpora.lines import read_lines
from keras_attn.training.corpora.load import load_corpus
from keras_attn.training.corpora.pairs import CorpusError, SentencePair
from keras_attn.training.corpora.tfds import TfdsReader
from keras_attn.training.corpora.tsv import read_tsv, read_tsv_rows

__all__ = [
    "Corpus",
    "CorpusError",
    "SentencePair",
    "Split",
    "TfdsReader",
    "load_corpus",
    "read_lines",
    "read_parallel",
    "read_tsv",
    "read_tsv_rows",
]
