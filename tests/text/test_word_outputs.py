"""Merging in the graph gives what `word_spans` and `merge_attention` give in Python."""

import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.text.word_outputs import merge_words
from keras_attn.text.words import merge_attention, word_spans
from keras_attn.translation import translations_from_outputs

TEXTS = [
    "Der Hund, läuft_schnell.",
    "",
    " \t\u3000",
    "don't E-Mail x' -y a-'b 'tis rock'n'roll",
    "e\u0301 \u0301 a\u200db \u200d\u200dc soft\u00adhyphen",
    "__ a_b _\u0301 ... ½ ﬁne ①",
    "हिन्दी می‌خواهم 狗跑得快 สุนัขวิ่งเร็ว",
    "x\x01y\x00z\x7f\u0085\u200b|\ufeff",
    "🎉🎉 👨‍👩‍👧 ☺️",
    "▁Hund ▁ \ufffd",
]
merge = tf.function(merge_words, autograph=False)


def answer(codec, sources, targets, seed=0):
    """Outputs as of `translate`, with the targets given and random attention."""
    read = codec.encode(tf.constant(sources, tf.string), max_tokens=500)
    written = codec.encode(tf.constant(targets, tf.string), max_tokens=500)
    generator = np.random.default_rng(seed)
    shape = (len(sources), written.ids.shape[1], read.ids.shape[1])
    weights = generator.random(shape, np.float32)
    columns, rows = (
        np.arange(size) < np.array(each.lengths)[:, None]
        for each, size in ((read, shape[2]), (written, shape[1]))
    )
    weights *= columns[:, None, :] * rows[:, :, None]
    weights /= np.maximum(weights.sum(axis=2, keepdims=True), 1e-9)
    scores = -generator.random(shape[:2], np.float32) * rows
    sides = {
        f"{side}_{name}": value
        for side, encoded in (("source", read), ("target", written))
        for name, value in {
            "tokens": encoded.pieces,
            "begin": encoded.begin,
            "end": encoded.end,
            "length": encoded.lengths,
            "truncated": encoded.truncated,
        }.items()
    }
    return {
        "translation": tf.constant(targets, tf.string),
        "score": tf.reduce_sum(scores, axis=1),
        "token_scores": tf.constant(scores),
        "attention": tf.constant(weights),
        **sides,
    }


def as_translations(sources, outputs):
    outputs = {name: value.numpy() for name, value in outputs.items()}
    return translations_from_outputs(sources, outputs)


def check(codec, sources, targets):
    outputs = answer(codec, sources, targets)
    merged = merge(tf.constant(sources, tf.string), outputs)
    pairs = zip(
        as_translations(sources, outputs), as_translations(sources, merged), strict=True
    )
    for plain, words in pairs:
        spans = word_spans(plain.source), word_spans(plain.text)
        for side, text, want in (
            (words.source_tokens, plain.source, spans[0]),
            (words.target_tokens, plain.text, spans[1]),
        ):
            assert [(word.begin, word.end) for word in side[:-1]] == want
            assert [word.piece for word in side[:-1]] == [
                word.surface(text) for word in side[:-1]
            ]
            assert side[-1].piece == "</s>"
            assert side[-1].begin == side[-1].end == len(text.encode())
        want = merge_attention(
            plain.attention, plain.source_tokens, plain.target_tokens, *spans
        )
        np.testing.assert_allclose(words.attention, want, atol=1e-5)
        np.testing.assert_allclose(words.token_scores.sum(), plain.score, rtol=1e-4)


def test_odd_texts_of_a_batch(codec):
    check(codec, TEXTS, TEXTS[::-1])


def test_any_texts(codec):
    generator = np.random.default_rng(3)
    # Not beyond U+2FFF, and assigned: the graph's Unicode tables and Python's may be of
    # different versions.
    letters = [chr(i) for i in range(0x3000) if unicodedata.category(chr(i)) != "Cn"]
    common = list("ab1 .,'-_’\u0301\u200d\t")
    texts = [
        "".join(
            generator.choice(letters if generator.random() < 0.3 else common)
            for _ in range(size)
        )
        for size in generator.integers(0, 25, 300)
    ]
    check(codec, texts[::2], texts[1::2])


def test_token_scores_are_summed_by_hand():
    def numbers(*values):
        return tf.constant([values], tf.int32)

    merged = merge_words(
        tf.constant(["ab cd"]),
        {
            "translation": tf.constant(["x y"]),
            "token_scores": tf.constant([[-1.0, -2.0, -4.0]]),
            "source_tokens": tf.constant([["▁ab cd", "</s>"]]),
            "source_begin": numbers(0, 5),
            "source_end": numbers(5, 5),
            "source_length": tf.constant([2]),
            # The first token has nothing of a word: it goes to the next one.
            "target_tokens": tf.constant([["▁", "▁x y", "</s>"]]),
            "target_begin": numbers(0, 0, 3),
            "target_end": numbers(0, 3, 3),
            "target_length": tf.constant([3]),
            "attention": tf.constant([[[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]]),
            "alignment": tf.constant([[[0.5, 0.0], [0.25, 0.25], [0.0, 0.5]]]),
        },
    )
    np.testing.assert_allclose(merged["token_scores"], [[-2.0, -1.0, -4.0]])
    # x: all of the first token and half of the second; y: half of the second.
    row = [(1 + 0.25) / 1.5, 0.25 / 1.5]
    want = [[row[0] / 2, row[0] / 2, row[1]], [0.25, 0.25, 0.5], [0.0, 0.0, 1.0]]
    np.testing.assert_allclose(merged["attention"], [want], rtol=1e-6)
    np.testing.assert_allclose(merged["alignment"], np.array([want]) / 2, rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        b"Hund \xff\xfe Katze",
        b"\xc3",
        b"\x80\x80 x",
        b"\xf0\x9f Hund",
        b"\xed\xa0\x80 x",
    ],
)
def test_bytes_that_are_no_text_are_in_no_word(codec, text):
    merged = merge(tf.constant([text]), answer(codec, [text], [text]))
    length = int(merged["source_length"][0])
    words = merged["source_tokens"][0, :length].numpy().tolist()
    whole = [each for each in text.split() if each.isascii()]
    assert words == [*whole, b"</s>"]
    np.testing.assert_allclose(tf.reduce_sum(merged["attention"], axis=2), 1, rtol=1e-5)


def test_only_words_that_were_read(codec):
    text = ["Der Hund läuft. " * 40]
    outputs = answer(codec, text, ["x"])
    # As a limit of 30 source tokens leaves it.
    short = codec.encode(tf.constant(text), max_tokens=30)
    outputs |= {
        "source_tokens": short.pieces,
        "source_begin": short.begin,
        "source_end": short.end,
        "source_length": short.lengths,
        "attention": tf.fill([1, outputs["target_tokens"].shape[1], 30], 1 / 30),
    }
    merged = merge(tf.constant(text), outputs)
    stop = int(short.end[0, -1])
    want = [span for span in word_spans(text[0]) if span[0] < stop]
    assert merged["source_begin"][0, :-1].numpy().tolist() == [b for b, _ in want]
    np.testing.assert_allclose(tf.reduce_sum(merged["attention"], axis=2), 1, rtol=1e-5)


def test_a_token_of_very_many_words_makes_no_huge_answer(codec):
    text = ["🎉" * 1000]
    merged = merge(tf.constant(text), answer(codec, text, ["x"]))
    assert merged["attention"].shape[2] < 50
    np.testing.assert_allclose(tf.reduce_sum(merged["attention"], axis=2), 1, rtol=1e-5)


def test_no_rows(codec):
    merged = merge(tf.zeros([0], tf.string), answer(codec, [], []))
    assert {len(value) for value in merged.values()} == {0}
