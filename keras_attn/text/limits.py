"""The most bytes that are read of a text, which follow from the most tokens."""

import tensorflow as tf

__all__ = ["BYTES_PER_TOKEN", "cut_texts"]

# 16 characters of 4 bytes: the longest subword that SentencePiece learns. Fewer bytes
# a token could end a text of ordinary words before its limit of tokens does.
BYTES_PER_TOKEN = 64
_LONGEST_CHARACTER = 4


def cut_texts(text: tf.Tensor, max_tokens: int) -> tf.Tensor:
    """Cuts texts to what may be read of them, before anything looks at all of it.

    Tokenising takes some hundred bytes of memory for each byte of text, whatever is
    done with the tokens. A text is cut to at most 64 bytes for each token that the
    limit leaves, and between two characters.

    Args:
        text: `(B,)` strings, any bytes.
        max_tokens: The most tokens to be kept of a text.

    Returns:
        `(B,)` strings; each is a prefix of the row of `text`.

    Example: 64 bytes would end inside of the last character.

    >>> (cut,) = cut_texts(tf.constant(["x" * 63 + "é" * 1000]), max_tokens=1).numpy()
    >>> cut == b"x" * 63
    True
    """
    limit = max_tokens * BYTES_PER_TOKEN
    length = tf.strings.length(text)
    # A character ends where a byte begins that continues none, 10xxxxxx. The last of
    # these bytes is the first one not to be read. (No position may be beyond a text.)
    first = limit - _LONGEST_CHARACTER + 1
    size = tf.fill(tf.shape(length), _LONGEST_CHARACTER)
    window = tf.strings.substr(text, tf.minimum(first, length), size)
    window = tf.io.decode_raw(window, tf.uint8, fixed_length=_LONGEST_CHARACTER)
    is_boundary = tf.bitwise.bitwise_and(window, 0xC0) != 0x80  # (B, 4)
    place = first + tf.range(_LONGEST_CHARACTER)
    boundary = tf.reduce_max(tf.where(is_boundary, place, 0), axis=1)
    # Four bytes that all continue something are no UTF-8.
    boundary = tf.where(tf.reduce_any(is_boundary, axis=1), boundary, limit)
    kept = tf.where(length > limit, boundary, length)
    return tf.strings.substr(text, tf.zeros_like(kept), kept)
