"""Outputs of whole texts are those of their sentences, moved to where they stand."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_attn.text.joined_outputs import _needs_space, join_sentences
from keras_attn.text.joined_translations import join_translations
from keras_attn.text.sentences import joint
from keras_attn.text.tensorflow_sentences import Spans, split_texts, substrings
from keras_attn.translation import MAX_ATTENTION_TOKENS, translations_from_outputs

TEXTS = [
    "Ein Hund läuft. Eine Katze schläft!\r\n\r\n  你好。世界 ",
    "",
    " \n",
    "Das Haus",
    "ab cd ef gh ij kl mn op qr st uv wx yz, äö",
]


@pytest.fixture(scope="module")
def answers():
    """The texts' joined outputs, their spans, and the translations of these."""
    translator = tiny.aligned(tiny.translator())
    text = tf.constant(TEXTS)
    spans = split_texts(translator.source_codec, text, 12)
    sentences = substrings(text, spans)
    outputs = translator.translate_graph(sentences, beam_size=1)
    joined = join_sentences(text, spans, outputs)
    translations = translations_from_outputs(
        [part.decode() for part in sentences.numpy()], as_arrays(outputs)
    )
    pairs, rows = [[] for _ in TEXTS], [[] for _ in TEXTS]
    for begin, end, row, translation in zip(
        *(column.numpy().tolist() for column in spans), translations, strict=True
    ):
        pairs[row].append((begin, end))
        rows[row].append(translation)
    return as_arrays(joined), pairs, rows


def as_arrays(outputs):
    return {name: output.numpy() for name, output in outputs.items()}


def test_some_texts_have_many_sentences(answers):
    _, spans, _ = answers
    assert [min(len(row), 3) for row in spans] == [3, 1, 1, 1, 3]


def test_the_graph_joins_as_python_does(answers):
    outputs, spans, rows = answers
    for got, text, *row in zip(
        translations_from_outputs(TEXTS, outputs), TEXTS, spans, rows, strict=True
    ):
        want = join_translations(text, *row)
        assert (got.source, got.text) == (text, want.text)
        assert got.source_tokens == want.source_tokens
        assert got.target_tokens == want.target_tokens
        assert got.source_truncated == want.source_truncated == 0
        assert got.target_truncated == want.target_truncated
        assert got.score == pytest.approx(want.score, rel=1e-6)
        np.testing.assert_array_equal(got.token_scores, want.token_scores)
        np.testing.assert_array_equal(got.attention, want.attention)
        np.testing.assert_array_equal(got.alignment, want.alignment)


def test_separators_and_tokens_stand_where_they_stood(answers):
    outputs, spans, rows = answers
    joined = translations_from_outputs(TEXTS, outputs)
    for text, whole, row_spans, row in zip(TEXTS, joined, spans, rows, strict=True):
        want, position = "", 0
        for (begin, end), sentence in zip(row_spans, row, strict=True):
            between = text.encode()[position:begin].decode()
            # Nothing, and no script without spaces: the words would stick together.
            want += (between or (" " if want else "")) + sentence.text
            position = end
        assert whole.text == want + text.encode()[position:].decode()
        for side, of_side in (("source", text), ("target", whole.text)):
            tokens = getattr(whole, f"{side}_tokens")
            alone = [
                token.surface(sentence.source if side == "source" else sentence.text)
                for sentence in row
                for token in getattr(sentence, f"{side}_tokens")
            ]
            assert [token.surface(of_side) for token in tokens] == alone


@pytest.mark.parametrize(
    ("before", "behind", "between"),
    [
        ("one", "two", " "),
        ("。", "two", ""),
        ("one", "二", ""),
        ("한국", "말", " "),
        ("", "two", ""),
        ("one", "", ""),
    ],
)
def test_words_do_not_stick_together(before, behind, between):
    assert joint(before, behind).decode() == between
    rows = tf.constant([0, 0])
    translation = tf.constant([before, behind])
    needs_space = _needs_space(tf.constant(["", ""]), translation, rows)
    assert needs_space.numpy().tolist() == [False, between == " "]


@pytest.mark.parametrize("tokens", [MAX_ATTENTION_TOKENS, MAX_ATTENTION_TOKENS + 1])
def test_very_long_texts_have_no_attention_and_no_alignment(tokens):
    lengths = [tokens - 9, 9, 4]
    spans = Spans(*map(tf.constant, ([0, 1, 0], [1, 2, 1], [0, 0, 1])))
    source = tf.RaggedTensor.from_row_lengths(
        np.zeros(sum(lengths), np.int32), lengths
    ).to_tensor()
    outputs = {
        "translation": tf.constant(["a", "b", "c"]),
        "score": tf.zeros(3),
        "source_length": tf.constant(lengths),
        "target_length": tf.constant([2, 1, 1]),
        "source_truncated": tf.zeros(3, tf.int32),
        "target_truncated": tf.zeros(3, tf.int32),
        "source_tokens": tf.strings.as_string(source),
        "source_begin": source,
        "source_end": source,
        "target_tokens": tf.constant([["a", "b"]] * 3),
        "target_begin": tf.zeros([3, 2], tf.int32),
        "target_end": tf.ones([3, 2], tf.int32),
        "token_scores": tf.zeros([3, 2]),
        "attention": tf.ones([3, 2, lengths[0]]),
        "alignment": tf.ones([3, 2, lengths[0]]) / 2,
    }
    outputs = as_arrays(join_sentences(tf.constant(["ab", "c"]), spans, outputs))
    long, short = translations_from_outputs(["ab", "c"], outputs)
    is_long = tokens > MAX_ATTENTION_TOKENS
    assert outputs["attention"].shape == ((2, 1, 4) if is_long else (2, 3, tokens))
    assert long.attention.shape == ((3, 0) if is_long else (3, tokens))
    assert short.attention.shape == (1, 4)
    assert (long.alignment is None) == is_long
    np.testing.assert_array_equal(outputs["alignment"], outputs["attention"] / 2)


def test_attention_stays_inside_of_its_sentence(answers):
    outputs, _, rows = answers
    for number, row in enumerate(rows):
        blocks = [
            outputs[f"sentence_{side}_length"][number] for side in ("target", "source")
        ]
        assert [x.sum() for x in blocks] == [
            outputs["target_length"][number],
            outputs["source_length"][number],
        ]
        attention = outputs["attention"][number]
        top = left = 0
        for height, width, sentence in zip(*blocks, row, strict=False):
            block = attention[top : top + height, left : left + width]
            np.testing.assert_array_equal(block, sentence.attention)
            np.testing.assert_allclose(block.sum(axis=1), 1, rtol=1e-5)
            attention[top : top + height, left : left + width] = 0
            top, left = top + height, left + width
        assert not attention.any()
