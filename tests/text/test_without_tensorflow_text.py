"""SentencePiece's package gives the same as TensorFlow Text, in NumPy arrays."""

import numpy as np
import pytest
import tensorflow as tf
from odd_texts import texts_of_all_kinds
from real_data import real_data

from keras_attn.text import (
    SubwordCodec,
    graph,
    learn_subwords,
    numpy_constraints,
    sentencepiece_codec,
    tensorflow_codec,
    tensorflow_constraints,
)
from keras_attn.text.codec import EncodedText
from keras_attn.text.replace_unknown import copies_for_unknown

LIMITS = (1, 2, 7, 10_000)
# A limit of 2 tokens is one of 128 bytes; this one cuts characters of each width.
LONG = [f"{'x' * n}{c * 300}".encode() for n in range(4) for c in "xé字🙂"]


@pytest.fixture
def without_tensorflow_text(monkeypatch):
    """As where the package is not installed."""
    monkeypatch.setattr(graph, "_has_tensorflow_text", lambda: False)


def check_equal(in_graph, in_numpy):
    """Compares results field by field: values, shapes and types."""
    for tensor, array in zip(in_graph, in_numpy, strict=True):
        assert isinstance(array, np.ndarray)
        want = np.asarray(tensor)
        assert array.dtype == want.dtype
        np.testing.assert_array_equal(array, want)


def check_encoding(codec, texts, max_tokens):
    in_graph = tensorflow_codec.encode(codec, tf.constant(texts), max_tokens)
    in_numpy = sentencepiece_codec.encode(codec, texts, max_tokens)
    check_equal(in_graph, in_numpy)
    return EncodedText(*in_graph), EncodedText(*in_numpy)


def check_decoding(codec, encoded):
    """Also with text for the unknown tokens, as long as their numbers."""
    copies = [[str(n).encode() for n in range(row.size)] for row in encoded.ids]
    for texts in (None, np.array(copies, object)):
        check_equal(
            tensorflow_codec.decode(
                codec,
                tf.constant(encoded.ids),
                tf.constant(encoded.lengths),
                None if texts is None else tf.constant(texts),
            ),
            sentencepiece_codec.decode(codec, encoded.ids, encoded.lengths, texts),
        )


def check_copies(codec, texts, in_graph, in_numpy):
    generator = np.random.default_rng(0)
    rows, width = in_numpy.ids.shape
    attention = generator.random((rows, 2, 3, width)).astype("float32")
    check_equal(
        [copies_for_unknown(tf.constant(texts), in_graph, 1, tf.constant(attention))],
        [copies_for_unknown(texts, in_numpy, 1, attention)],
    )


def check_constraints(codec, texts, max_tokens):
    for name in ("encode_prefixes", "encode_phrases"):
        in_graph = getattr(tensorflow_constraints, name)
        in_numpy = getattr(numpy_constraints, name)
        check_equal(
            in_graph(codec, tf.constant(texts), max_tokens),
            in_numpy(codec, np.array(texts, object), max_tokens),
        )


def check_all(codec, texts, monkeypatch):
    for max_tokens in LIMITS:
        in_graph, in_numpy = check_encoding(codec, texts, max_tokens)
        check_decoding(codec, in_numpy)
    ids = [row.tolist() for row in sentencepiece_codec.tokenize(codec, texts)]
    assert ids == tensorflow_codec.tokenize(codec, tf.constant(texts)).to_list()
    with monkeypatch.context() as patch:
        patch.setattr(graph, "_has_tensorflow_text", lambda: False)
        check_copies(codec, texts, in_graph, in_numpy)
        check_constraints(codec, texts, 12)


def test_odd_texts_get_the_same(codec, monkeypatch):
    texts = [b"", b" ", b"\x00", b"Hund", *texts_of_all_kinds(60), *LONG]
    check_all(codec, texts, monkeypatch)


@pytest.mark.slow  # two thousand texts, and every part of the work on them
def test_two_thousand_odd_texts_get_the_same(codec, monkeypatch):
    texts = [*texts_of_all_kinds(2000, seed=1), *LONG]
    for first in range(0, len(texts), 100):
        check_all(codec, texts[first : first + 100], monkeypatch)


@pytest.mark.data
@pytest.mark.slow  # a hundred thousand sentences
@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_all_sentences_of_a_corpus_get_the_same(model_type):
    files = sorted(real_data("multi30k").glob("*.??"))
    lines = [line for file in files for line in file.read_bytes().split(b"\n")]
    texts = [line.decode() for line in lines[::10]]
    codec = SubwordCodec(learn_subwords(texts, 4000, model_type=model_type))
    for first in range(0, len(lines), 1000):
        _, encoded = check_encoding(codec, lines[first : first + 1000], 256)
        check_decoding(codec, encoded)
