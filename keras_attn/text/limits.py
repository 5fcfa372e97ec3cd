"""Limits the bytes that are read of a text by the limit of tokens."""

from keras_attn.text.sentences import BYTES_PER_TOKEN
from keras_attn.typing import Tensor

__all__ = ["MAX_TEXT_BYTES", "cut_bytes", "cut_texts"]

# Maximum number of bytes that a graph reads of a text, which it holds in memory some
# hundred times over. (Python hands texts over in parts.)
MAX_TEXT_BYTES = 2**20

_LONGEST_CHARACTER = 4


def cut_bytes(text: bytes, max_tokens: int) -> bytes:
    """Truncates a text as `cut_texts` does.

    Args:
        text: Tensor bytes.
        max_tokens: Maximum number of tokens of a text.

    Example:

    >>> cut_bytes(("x" * 63 + "é" * 1000).encode(), max_tokens=1) == b"x" * 63
    True
    """
    limit = max_tokens * BYTES_PER_TOKEN
    if len(text) <= limit:
        return text
    # A character ends before a byte that is no continuation byte, 10xxxxxx. Four of
    # these in a row are invalid UTF-8.
    boundaries = range(limit, limit - _LONGEST_CHARACTER, -1)
    ends = (end for end in boundaries if text[end] & 0xC0 != 0x80)
    return text[: next(ends, limit)]


def cut_texts(text: Tensor, max_tokens: int) -> Tensor:
    """Truncates texts in TensorFlow to 64 bytes a token, between characters.

    Tokenising takes some hundred bytes of memory for each byte of text, so that long
    texts are truncated before.

    Args:
        text: `(B,)` strings, any bytes.
        max_tokens: Maximum number of tokens of a text.

    Returns:
        `(B,)` strings; each is a prefix of the row of `text`.

    Example: 64 bytes would end inside of the last character.

    >>> import tensorflow as tf
    >>> (cut,) = cut_texts(tf.constant(["x" * 63 + "é" * 1000]), max_tokens=1).numpy()
    >>> cut == b"x" * 63
    True
    """
    import tensorflow as tf

    limit = max_tokens * BYTES_PER_TOKEN
    length = tf.strings.length(text)
    # The last boundary is the first byte not to read. (No position may be beyond a
    # text.)
    first = limit - _LONGEST_CHARACTER + 1
    size = tf.fill(tf.shape(length), _LONGEST_CHARACTER)
    window = tf.strings.substr(text, tf.minimum(first, length), size)
    window = tf.io.decode_raw(window, tf.uint8, fixed_length=_LONGEST_CHARACTER)
    is_boundary = tf.bitwise.bitwise_and(window, 0xC0) != 0x80  # (B, 4)
    position = first + tf.range(_LONGEST_CHARACTER)
    boundary = tf.reduce_max(tf.where(is_boundary, position, 0), axis=1)
    boundary = tf.where(tf.reduce_any(is_boundary, axis=1), boundary, limit)
    size = tf.where(length > limit, boundary, length)
    return tf.strings.substr(text, tf.zeros_like(size), size)
