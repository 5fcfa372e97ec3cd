"""Replaces unknown target tokens by the source words they translate or attend to."""

import re

import numpy as np

from keras_attn.text import graph
from keras_attn.text.codec import EncodedText
from keras_attn.typing import Tensor

__all__ = ["attended_words", "copies_for_unknown"]

_WORD_BEGINS = "▁"
_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f]+")  # the category Cc


def copies_for_unknown(
    text: Tensor, encoded: EncodedText, unknown_id: int, weights: Tensor
) -> Tensor:
    """Returns the source word with the largest weight at each target position.

    Args:
        text: `(B,)` strings, the sources.
        encoded: The sources as encoded.
        unknown_id: The source vocabulary's unknown token.
        weights: `(B, K, T, S)` float32: alignment or, without an aligner, attention.

    Returns:
        `(B, K, T)` strings: UTF-8 without control characters; "" where the end token
        has the largest weight.

    Reference: Luong et al., 2015, arXiv:1410.8206, section 3.3; by attention, Jean et
    al., 2015, arXiv:1412.2007, section 3.3.
    """
    words = attended_words(text, encoded, unknown_id)
    if isinstance(weights, np.ndarray):
        rows = np.arange(len(words))[:, None, None]
        return words[rows, weights.argmax(axis=-1)]
    import tensorflow as tf

    position = tf.argmax(weights, axis=-1, output_type=tf.int32)
    return tf.gather(words, position, batch_dims=1)


def attended_words(text: Tensor, encoded: EncodedText, unknown_id: int) -> Tensor:
    """Returns the text to copy for each source token.

    For a known subword it is the whole word, from one `▁` to the next; for an unknown
    token only the characters that the vocabulary lacks.

    Args:
        text: `(B,)` strings.
        encoded: The sources as encoded.
        unknown_id: Id of the unknown token.

    Returns:
        `(B, S)` strings: valid UTF-8 without control characters; "" for the end token
        and beyond.
    """
    if graph.strings_in_graph(text):
        return _words_in_graph(text, encoded, unknown_id)
    words = np.full(encoded.ids.shape, b"", object)
    for row, row_text in enumerate(text):
        words[row, : encoded.lengths[row] - 1] = _words_of_text(
            row_text,
            unknown_id,
            *(
                column[row, : encoded.lengths[row] - 1].tolist()
                for column in encoded[:4]
            ),
        )
    return words


def _words_of_text(text, unknown_id, ids, pieces, begins, ends):
    """Returns what to copy for each token of a text."""
    starts = np.cumsum([piece.startswith(_WORD_BEGINS.encode()) for piece in pieces])
    spans: dict[int, tuple[int, int]] = {}  # of the word with each number
    for number, begin, end in zip(starts.tolist(), begins, ends, strict=True):
        # A lone `▁` is an empty span before its word or at the end of the one before,
        # so that only spans with bytes count.
        if end > begin:
            spans[number] = (spans.get(number, (begin, end))[0], end)
    words = []
    for number, token_id, *span in zip(starts.tolist(), ids, begins, ends, strict=True):
        begin, end = span if token_id == unknown_id else spans.get(number, (0, 0))
        # A translation is valid UTF-8 even where the source was not.
        word = text[begin:end].decode("utf-8", "ignore")
        words.append(_CONTROL.sub("", word).encode())
    return words


def _words_in_graph(text, encoded, unknown_id):
    import tensorflow as tf

    position = tf.range(tf.shape(encoded.ids)[1])
    is_token = position < encoded.lengths[:, tf.newaxis] - 1
    begins = tf.strings.regex_full_match(encoded.pieces, f"{_WORD_BEGINS}.*")
    word_index = tf.cumsum(tf.cast(begins, tf.int32), axis=1)  # (B, S)
    same_word = (
        word_index[:, :, tf.newaxis] == word_index[:, tf.newaxis, :]
    )  # (B, S, S)
    same_word &= is_token[:, tf.newaxis, :]
    none = tf.strings.length(text)[:, tf.newaxis, tf.newaxis]
    # A lone `▁` is an empty span before its word or at the end of the one before, so
    # that only spans with bytes count.
    same_word &= (encoded.end > encoded.begin)[:, tf.newaxis, :]
    begin = tf.reduce_min(
        tf.where(same_word, encoded.begin[:, tf.newaxis], none), axis=2
    )
    end = tf.reduce_max(tf.where(same_word, encoded.end[:, tf.newaxis], 0), axis=2)
    is_unknown = encoded.ids == unknown_id
    begin = tf.where(is_unknown, encoded.begin, begin)
    end = tf.where(is_unknown, encoded.end, end)
    size = tf.where(is_token, tf.maximum(end - begin, 0), 0)
    begin = tf.where(size > 0, begin, 0)
    words = tf.strings.substr(text[:, tf.newaxis], begin, size)
    # A translation is valid UTF-8 even where the source was not.
    words = tf.strings.unicode_transcode(words, "UTF-8", "UTF-8", errors="ignore")
    return tf.strings.regex_replace(words, r"\p{Cc}+", "")
