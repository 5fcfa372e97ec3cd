"""A thousand odd texts: each token's bytes of the original are what the token says."""

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

PARTS = [
    # ligatures, full width, expansions of NFKC
    *"ﬁﬂﬃＨｕｎｄ½①㍿ﷺ㎏²™…ĳ¨´.,;?9",
    # combining marks, in order and not, and without anything before them
    *["e\u0301", "a\u0308", "o\u0323\u0302", "o\u0302\u0323", "\u0301", "क\u093f"],
    # emoji, with joiners, skin tones and variation selectors
    *["🎉", "👨‍👩‍👧", "👍🏽", "☺\ufe0f", "🇩🇪"],
    # blanks of all kinds, and what has no width
    *[" ", "  ", "\t", "\r\n", "\n", "\u00a0", "\u3000", "\u2028", "\u200b", "\u200d"],
    *["\ufeff", "\u00ad", "\u200e", "\x01", "\x00", "\x7f", "▁", "\ufffd"],
    # words of several scripts
    *["Hund", "Katze", "läuft", "dogs", "Собака", "γάτα", "الكلب", "हिन्दी", "狗跑"],
    *["강아지", "สุนัข", "don't", "x"],
]
NOT_TEXT = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f", b"\x80\x80", b"\xc0\xaf"]


def odd_texts(count, seed=0):
    generator = np.random.default_rng(seed)
    for number in range(count):
        parts = [
            PARTS[place].encode()
            for place in generator.integers(0, len(PARTS), generator.integers(1, 12))
        ]
        if number % 5 == 0:  # any character at all
            points = generator.integers(1, 0xD800, generator.integers(1, 5))
            parts += [chr(point).encode() for point in points]
        if number % 7 == 0:
            parts.append(NOT_TEXT[generator.integers(0, len(NOT_TEXT))])
        generator.shuffle(parts)
        yield b"".join(parts)


@pytest.fixture(scope="module")
def normalise():
    """SentencePiece's own normaliser, blanks left out."""
    normalizer = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc", add_dummy_prefix=False
    )

    def run(text):
        return normalizer.normalize(text).replace("▁", "").replace(" ", "")

    return run


def words_of(row):
    """Cuts tokens where a piece begins a word."""
    words = []
    for token in row:
        if not words or token[0].startswith("▁"):
            words.append([])
        words[-1].append(token)
    return words


def check_surfaces(text, word, normalise):
    """Says how many tokens of a word are just what their bytes are, checking all."""
    start, said, exact = word[0][1], "", 0
    for piece, _, end in word:
        said += piece.removeprefix("▁")
        surface = normalise(text[start:end].decode("utf-8"))
        if said == surface:
            start, said, exact = end, "", exact + 1
        else:
            # A piece holds the beginning of a character's expansion, whose bytes
            # belong to the token of its end.
            following = normalise(text[start:].decode("utf-8", "replace"))
            assert said.startswith(surface), (text, word)
            assert following.startswith(said), (text, word)
    assert said == "", (text, word)
    return exact


def test_a_thousand_odd_texts(codec, normalise):
    texts = list(odd_texts(1000))
    encoded = codec.encode(tf.constant(texts), max_tokens=10_000)
    pieces, begins, ends, lengths = (
        np.array(each)
        for each in (encoded.pieces, encoded.begin, encoded.end, encoded.lengths)
    )
    exact = 0
    for row, text in enumerate(texts):
        columns = (pieces[row], begins[row], ends[row])
        *tokens, last = [
            (piece.decode(), int(begin), int(end))
            for piece, begin, end in zip(
                *(column[: lengths[row]] for column in columns), strict=True
            )
        ]
        assert last == ("</s>", len(text), len(text))
        position = 0
        for _, begin, end in [*tokens, last]:
            # In order, and nothing but blanks between two of them.
            assert position <= begin <= end <= len(text), text
            assert normalise(text[position:begin].decode("utf-8")) == "", text
            position = end
        for word in words_of(tokens):
            if all(piece != "<unk>" for piece, _, _ in word):
                exact += check_surfaces(text, word, normalise)
    assert exact > 1000
