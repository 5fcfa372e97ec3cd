"""Limits the bytes that are read of a text by the limit of tokens."""

import tensorflow as tf

__all__ = ["BYTES_PER_TOKEN", "cut_texts"]

# 16 characters of 4 bytes: the longest subword that SentencePiece learns. Fewer bytes
# a token could cut a text of ordinary words before the limit of tokens.
BYTES_PER_TOKEN = 64
_LONGEST_CHARACTER = 4


def cut_texts(text: tf.Tensor, max_tokens: int) -> tf.Tensor:
    """Truncates texts to 64 bytes for each token of the limit, between characters.

    Tokenising takes some hundred bytes of memory for each byte of text, so that long
    texts are truncated before.

    Args:
        text: `(B,)` strings, any bytes.
        max_tokens: Maximum number of tokens of a text.

    Returns:
        `(B,)` strings; each is a prefix of the row of `text`.

    Example: 64 bytes would end inside of the last character.

    >>> (cut,) = cut_texts(tf.constant(["x" * 63 + "é" * 1000]), max_tokens=1).numpy()
    >>> cut == b"x" * 63
    True
    """
    limit = max_tokens * BYTES_PER_TOKEN
    length = tf.strings.length(text)
    # A character ends before a byte that is no continuation byte, 10xxxxxx. The last
    # of these is the first byte not to read. (No position may be beyond a text.)
    first = limit - _LONGEST_CHARACTER + 1
    size = tf.fill(tf.shape(length), _LONGEST_CHARACTER)
    window = tf.strings.substr(text, tf.minimum(first, length), size)
    window = tf.io.decode_raw(window, tf.uint8, fixed_length=_LONGEST_CHARACTER)
    is_boundary = tf.bitwise.bitwise_and(window, 0xC0) != 0x80  # (B, 4)
    position = first + tf.range(_LONGEST_CHARACTER)
    boundary = tf.reduce_max(tf.where(is_boundary, position, 0), axis=1)
    # Four continuation bytes in a row are invalid UTF-8.
    boundary = tf.where(tf.reduce_any(is_boundary, axis=1), boundary, limit)
    size = tf.where(length > limit, boundary, length)
    return tf.strings.substr(text, tf.zeros_like(size), size)
