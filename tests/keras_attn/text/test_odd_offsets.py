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


def test_a_thousand_odd_texts(codec, normalise):
    texts = list(odd_texts(1000))
    encoded = codec.encode(tf.constant(texts), max_tokens=10_000)
    columns = [np.array(x) for x in (encoded.pieces, encoded.begin, encoded.end)]
    compared = 0
    for row, text in enumerate(texts):
        length = int(encoded.lengths[row]) - 1
        position, said, known = 0, "", True
        for piece, begin, end in zip(*(x[row, :length] for x in columns), strict=True):
            # In order, and nothing but blanks between two of them.
            assert position <= begin <= end <= len(text), text
            gap = text[position:begin].decode("utf-8")
            assert normalise(gap) == "", text
            position = end
            # A character of several tokens belongs to the last, so what several say is
            # read together.
            known &= piece != b"<unk>"
            said += piece.decode().replace("▁", "")
            if begin < end:
                if known:
                    surface = text[begin:end].decode("utf-8")
                    assert normalise(surface) == said, (text, surface)
                    compared += 1
                said, known = "", True
        assert said == "" or not known, text
        assert normalise(text[position:].decode("utf-8")) == "", text
        assert columns[1][row, length] == columns[2][row, length] == len(text)
    assert compared > 2000
