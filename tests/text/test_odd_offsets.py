"""A thousand odd texts: each token's bytes of the original are what the token says."""

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from odd_texts import odd_texts


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
