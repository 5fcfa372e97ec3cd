"""Parallel corpora: the built-in grammar, files, TSV and TFDS."""

from training.corpora.files import read_parallel
from training.corpora.lines import read_lines
from training.corpora.load import load_corpus
from training.corpora.pairs import Corpus, CorpusError, SentencePair, Split
from training.corpora.tfds import TfdsReader
from training.corpora.tsv import read_tsv, read_tsv_rows

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
