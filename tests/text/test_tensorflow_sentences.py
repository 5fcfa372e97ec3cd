"""The graph splits and cuts as the pure Python rule does, byte for byte."""

import functools
import re
import time

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_texts import texts_of_all_kinds
from sentence_texts import SPLIT, odd_bytes

from keras_attn.serving.export.operations import operations
from keras_attn.text import SubwordCodec, whole_texts
from keras_attn.text.sentences import (
    Piece,
    cut_sentence,
    sentence_spans,
)
from keras_attn.text.tensorflow_sentences import cut_sentences as cut_in_graph
from keras_attn.text.tensorflow_sentences import sentence_spans as split_in_graph
from keras_attn.text.tensorflow_sentences import split_texts, substrings

TEXTS = tf.TensorSpec([None], tf.string)
TOKENS = tf.RaggedTensorSpec([None, None], tf.int32, ragged_rank=1)


@functools.cache
def split_function():
    return tf.function(split_in_graph, input_signature=[TEXTS], autograph=False)


@functools.cache
def cut_function(max_tokens):
    return tf.function(
        functools.partial(cut_in_graph, max_tokens=max_tokens),
        input_signature=[TEXTS, TOKENS, TOKENS],
        autograph=False,
    )


def strings(texts):
    return tf.constant(texts, tf.string, shape=[len(texts)])


def by_row(columns, rows, count):
    """Returns the tuples of flat columns by their row."""
    lists = [[] for _ in range(count)]
    assert rows.numpy().tolist() == sorted(rows.numpy().tolist())
    for row, *values in zip(
        *(x.numpy().tolist() for x in (rows, *columns)), strict=True
    ):
        lists[row].append(tuple(values))
    return lists


def split(texts):
    *columns, rows = split_function()(strings(texts))
    return by_row(columns, rows, len(texts))


def in_python(texts):
    return [sentence_spans(text) or [(0, 0)] for text in texts]


def cut(sentences, tokens, max_tokens):
    begins, ends = (
        tf.RaggedTensor.from_row_lengths(
            tf.constant([token[side] for row in tokens for token in row], tf.int32),
            [len(row) for row in tokens],
        )
        for side in (0, 1)
    )
    *columns, rows = cut_function(max_tokens)(strings(sentences), begins, ends)
    pieces = by_row(columns, rows, len(sentences))
    return [[Piece(*piece) for piece in row] for row in pieces]


def test_a_thousand_odd_texts_have_the_sentences_of_python():
    texts = [text.replace("|", "").encode() for text in SPLIT]
    texts += texts_of_all_kinds(1000)
    assert split(texts) == in_python(texts)


@given(st.lists(odd_bytes, max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_bytes_have_the_sentences_of_python(texts):
    assert split(texts) == in_python(texts)


def test_batches_of_nothing():
    assert split([]) == []
    assert split([b"", b" \n", b"a", b""]) == [[(0, 0)], [(0, 0)], [(0, 1)], [(0, 0)]]
    assert cut([], [], 5) == []
    assert cut([b"", b"a"], [[], [(0, 1)]], 5) == [[Piece(0, 0, 0)], [Piece(0, 0, 1)]]


@pytest.fixture(scope="module")
def tokenized(unigram):
    """Odd sentences, and the bytes of their tokens."""
    texts = [text.replace("|", "").encode() for text in SPLIT]
    texts += texts_of_all_kinds(100)
    sentences = [
        text[begin:end] for text in texts for begin, end in sentence_spans(text)
    ]
    encoded = SubwordCodec(unigram).encode(strings(sentences), 1000)
    spans = (
        tf.RaggedTensor.from_tensor(column, encoded.lengths - 1)
        for column in (encoded.begin, encoded.end)
    )
    spans = (column.to_list() for column in spans)
    return sentences, [list(zip(*row, strict=True)) for row in zip(*spans, strict=True)]


# The others cost a trace each.
_LIMITS = [5, *(pytest.param(limit, marks=pytest.mark.slow) for limit in (1, 2, 20))]


@pytest.mark.parametrize("max_tokens", _LIMITS)
def test_odd_sentences_are_cut_as_in_python(tokenized, max_tokens):
    assert cut(*tokenized, max_tokens) == [
        cut_sentence(*row, max_tokens) for row in zip(*tokenized, strict=True)
    ]


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_any_tokens_are_cut_as_in_python(data):
    texts = [text for text in data.draw(st.lists(odd_bytes, max_size=4)) if text]
    sentences = [
        text[begin:end] for text in texts for begin, end in sentence_spans(text)
    ]
    tokens = []
    for sentence in sentences:
        places = data.draw(st.lists(st.integers(0, len(sentence)), max_size=24))
        places = sorted(places[: len(places) // 2 * 2])
        tokens.append(list(zip(places[::2], places[1::2], strict=True)))
    assert cut(sentences, tokens, 5) == [
        cut_sentence(*row, 5) for row in zip(sentences, tokens, strict=True)
    ]


@pytest.fixture(scope="module")
def split_and_cut(unigram):
    """The codec, and its function from texts to spans and their bytes."""
    codec = SubwordCodec(unigram)

    def run(text):
        spans = split_texts(codec, text, 10)
        return *spans, substrings(text, spans)

    return codec, tf.function(run, input_signature=[TEXTS], autograph=False)


def test_texts_are_split_and_cut_as_in_python(split_and_cut):
    codec, function = split_and_cut
    texts = [text.replace("|", "").encode() for text in SPLIT]
    texts += [*texts_of_all_kinds(100), b"", b" \n", b"Hund " * 100]
    # More than 64 bytes for each token: blanks, characters of 3 bytes, no characters.
    texts += [("ein" + " " * 2000 + "Hund. " + "字" * 700).encode(), b"\x80" * 1500]
    *columns, rows, parts = function(strings(texts))
    spans = by_row(columns, rows, len(texts))
    assert spans == whole_texts.split_texts(codec, texts, 10)
    assert parts.numpy().tolist() == [
        text[begin:end]
        for text, row in zip(texts, spans, strict=True)
        for begin, end in row
    ]
    assert [column.shape for column in function(strings([]))] == [(0,)] * 4


def test_a_text_alone_is_split_as_in_a_batch(split_and_cut):
    codec, function = split_and_cut
    texts = ["Ein Hund!", "Hund", "", "Ein\u3000Hund", " Hund", "Hund\nHund", "Hund "]
    texts += ["Ein Hund." * 9, "Hund. Hund", "...", "? ", "a。b", "\x00 ï\u200b."]
    for text in [*(text.encode() for text in texts), *texts_of_all_kinds(50)]:
        *columns, rows, parts = function(strings([text]))
        [spans] = whole_texts.split_texts(codec, [text], 10)
        assert by_row(columns, rows, 1) == [spans]
        assert parts.numpy().tolist() == [text[begin:end] for begin, end in spans]


def test_any_server_has_the_operations():
    functions = [split_function(), cut_function(5)]
    graphs = [f.get_concrete_function().graph.as_graph_def() for f in functions]
    names = {name for graph in graphs for name, _ in operations(graph)}
    assert names <= tf.raw_ops.__dict__.keys()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. No wohnt im 3. Stock. „Ach!“ " * 30_000, 60_000),
        ("他走了。" * 80_000, 80_000),
        ("\n" * 1_000_000, 1),
        ("." * 1_000_000, 1),
        ("x" * 100_000 + "\n" + "Ein Wort " * 10_000, 2),
    ],
    ids=["prose", "han", "separators", "marks", "lines"],
)
@pytest.mark.slow  # a megabyte each
def test_a_megabyte_takes_a_second(text, count):
    split([b"a"])
    begin = time.perf_counter()
    spans = split_function()(tf.constant([text]))
    seconds = time.perf_counter() - begin
    assert by_row(spans[:2], spans.row, 1) == in_python([text])
    assert len(spans.row) == count
    assert seconds < 5  # it takes a tenth of this on two cores without other load


@pytest.mark.slow  # twelve thousand pieces
def test_a_long_line_is_cut_in_time():
    sentence = ("Ein Wort, noch eins; " * 50_000).rstrip().encode()
    tokens = [[match.span() for match in re.finditer(rb"\w{1,2}|[,;]", sentence)]]
    cut([b"a"], [[]], 64)
    begin = time.perf_counter()
    pieces = cut([sentence], tokens, 64)
    assert time.perf_counter() - begin < 10
    assert pieces == [cut_sentence(sentence, tokens[0], 64)]
