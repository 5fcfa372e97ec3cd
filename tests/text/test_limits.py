"""What is read of a text that is too long in bytes."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.text.limits import cut_texts
from keras_attn.text.sentences import BYTES_PER_TOKEN

LONGEST = BYTES_PER_TOKEN  # of one token


def cut(*texts, max_tokens=1):
    return cut_texts(tf.constant(texts, tf.string), max_tokens).numpy().tolist()


@given(st.lists(st.text(max_size=100), max_size=4))
@settings(deadline=None, max_examples=200)
def test_text_is_cut_between_characters(texts):
    texts = [text.encode("utf-8", "replace") for text in texts]
    # Python drops the first bytes of a character whose last ones are missing.
    want = [text[:LONGEST].decode("utf-8", "ignore").encode() for text in texts]
    assert cut(*texts) == want


@pytest.mark.parametrize("character", ["x", "é", "字", "🙂"])
@pytest.mark.parametrize("before", range(4))
def test_every_place_inside_of_a_character(character, before):
    text = b"a" * before + character.encode() * 100
    want = text[:LONGEST].decode("utf-8", "ignore").encode()
    assert cut(text) == [want]


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_cut_near_the_limit(text):
    (found,) = cut(text)
    assert text.startswith(found)
    assert len(found) >= min(len(text), LONGEST - 3)
    assert len(found) <= LONGEST


def test_a_text_at_the_limit_is_whole():
    texts = [b"x" * LONGEST, b"\x80" * LONGEST, b"", b"x"]
    assert cut(*texts) == texts
    assert cut(b"x" * (2 * LONGEST), max_tokens=2) == [b"x" * (2 * LONGEST)]
    assert cut() == []


@pytest.fixture(scope="module")
def codec():
    sentences = ["Ein Hund läuft schnell", "Die Katze schläft", "ein Hund"]
    return SubwordCodec(learn_subwords(sentences * 3, 40))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("字" * 1000, 3),  # one unknown token, after the one of `▁`
        (" " * 1000 + "Hund", 1),
        ("Hund" + " " * 1000, None),
    ],
)
def test_what_is_over_the_limit_in_bytes_alone_is_told(codec, text, tokens):
    found = codec.encode(tf.constant([text]), max_tokens=8)
    assert found.truncated.numpy().tolist() == [1]
    (length,) = found.lengths.numpy().tolist()
    assert length <= 8
    assert tokens in (None, length)
    # The end token lies where reading stopped, and no token lies beyond.
    stop = len(text.encode()[: 8 * LONGEST].decode("utf-8", "ignore").encode())
    assert found.begin.numpy()[0, length - 1] == stop
    assert found.end.numpy().max() == stop


def test_tokens_within_the_limit_do_not_depend_on_what_follows(codec):
    text = "Ein Hund läuft schnell. " * 5
    whole = codec.encode(tf.constant([text]), max_tokens=20)
    longer = codec.encode(tf.constant([text * 5000, text]), max_tokens=20)
    for name in ("ids", "begin", "end", "lengths"):
        found = np.array(getattr(longer, name))
        np.testing.assert_array_equal(found[:1], getattr(whole, name))
        np.testing.assert_array_equal(found[1:], getattr(whole, name))
    more, exact = longer.truncated.numpy()
    assert more > exact > 0
