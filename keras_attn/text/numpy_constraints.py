"""Encodes constraints without TensorFlow; see `constraints.py`.

The same as `tensorflow_constraints.py`, of NumPy arrays.
"""

import re
from typing import Any

import numpy as np

from keras_attn.text.blanks import BLANK_CHARACTERS
from keras_attn.text.limits import cut_bytes

__all__ = ["begins_with", "encode_phrases", "encode_prefixes"]

_WORD_BEGINS = "▁".encode()
_SEPARATORS = re.compile(rb"[\n\t]")  # between the phrases of a text
_NO_TOKEN = -1


def encode_prefixes(codec: Any, prefix: np.ndarray, max_tokens: int) -> tuple:
    """Returns the fields of `EncodedPrefixes`."""
    encoded = codec.encode(prefix, max_tokens)
    rows = len(prefix)
    count = np.zeros(rows, np.int32)
    is_whole = np.zeros(rows, bool)
    ids = encoded.ids.copy()
    last_words = []  # of each row, what is left of the prefix at each of its tokens
    is_word_complete = np.zeros(rows, bool)
    for row, text in enumerate(prefix):
        length = encoded.lengths[row] - 1  # without the end token
        unknown = np.flatnonzero(encoded.ids[row, :length] == codec.unknown_id)
        count[row] = unknown[0] if unknown.size else length
        is_whole[row] = count[row] == length and not encoded.truncated[row]
        ids[row, count[row] :] = _NO_TOKEN
        pieces = encoded.pieces[row, : count[row]].tolist()
        last_character = text.decode("utf-8", "surrogateescape")[-1:]
        # A blank at the end is a token of its own, which begins the next word.
        if pieces and is_whole[row] and last_character in BLANK_CHARACTERS:
            is_word_complete[row] = True
            pieces.append(_WORD_BEGINS)
        begins = [n for n, piece in enumerate(pieces) if piece.startswith(_WORD_BEGINS)]
        last_word = begins[-1] if begins else 0
        last_words.append([b"".join(pieces[n:]) for n in range(last_word, len(pieces))])
    text = codec.surface(encoded.ids, count).text
    count += is_word_complete.astype(np.int32)

    num_last = max([1, *map(len, last_words)])
    completions = np.zeros((rows, num_last, codec.vocabulary_size), bool)
    vocabulary = list(codec.processor.pieces)
    for i in codec.silent_ids:
        vocabulary[i] = b""  # control symbols have names, but no text
    for row, parts in enumerate(last_words):
        for place, left in enumerate(parts, num_last - len(parts)):
            completions[row, place] = [piece.startswith(left) for piece in vocabulary]
    # After a complete word the translation may end, too.
    completions[is_word_complete, -1, codec.end_id] = True
    return ids, count, completions, text, is_whole


def begins_with(text: np.ndarray, prefix: np.ndarray) -> np.ndarray:
    """Returns `(B,)` booleans: whether each text begins with its prefix."""
    pairs = zip(text, prefix, strict=True)
    return np.array([one.startswith(beginning) for one, beginning in pairs], bool)


def encode_phrases(codec: Any, required: np.ndarray, max_tokens: int) -> tuple:
    """Returns the fields of `EncodedPhrases`."""
    cut = [cut_bytes(text, max_tokens) for text in required]
    tokens = [codec.tokenize(_SEPARATORS.split(text)) for text in cut]
    # One place at least, for a search has to know the shapes.
    count = max([1, *map(len, tokens)])
    width = max([1, *(len(ids) for row in tokens for ids in row)])
    token_ids = np.full((len(cut), count, width), _NO_TOKEN, np.int32)
    lengths = np.zeros((len(cut), count), np.int32)
    is_whole = np.array(
        [len(one) == len(text) for one, text in zip(cut, required, strict=True)], bool
    )
    for row, phrases in enumerate(tokens):
        for place, ids in enumerate(phrases):
            token_ids[row, place, : len(ids)] = ids
            if codec.unknown_id in ids:
                is_whole[row] = False
            else:
                lengths[row, place] = len(ids)
    return token_ids, lengths, is_whole
