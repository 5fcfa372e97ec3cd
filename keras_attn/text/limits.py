"""Limits the bytes that are read of a text by the limit of tokens."""

from keras_attn.text.sentences import (
    BYTES_PER_TOKEN,
    LONGEST_CHARACTER,
    character_boundary,
)
from keras_attn.typing import Tensor

__all__ = [
    "MAX_TEXT_BYTES",
    "cut_bytes",
    "cut_texts",
    "last_boundary",
]

# Maximum number of bytes that a graph reads of a text, which it holds in memory some
# hundred times over. (Python hands texts over in parts.)
MAX_TEXT_BYTES = 2**20


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
    return text[: character_boundary(text, limit)]


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
    first = limit - LONGEST_CHARACTER + 1
    size = tf.fill(tf.shape(length), LONGEST_CHARACTER)
    window = tf.strings.substr(text, tf.minimum(first, length), size)
    size = tf.where(length > limit, first + last_boundary(window), length)
    return tf.strings.substr(text, tf.zeros_like(size), size)


def last_boundary(window: Tensor) -> Tensor:
    """Returns the place of the last byte that begins a character, in TensorFlow.

    Args:
        window: `(N,)` strings of 4 bytes.

    Returns:
        `(N,)` int32; 3 where no byte does.
    """
    import tensorflow as tf

    window = tf.io.decode_raw(window, tf.uint8, fixed_length=LONGEST_CHARACTER)
    is_boundary = tf.bitwise.bitwise_and(window, 0xC0) != 0x80  # (N, 4)
    place = tf.where(is_boundary, tf.range(LONGEST_CHARACTER), -1)
    place = tf.reduce_max(place, axis=1)
    return tf.where(place < 0, LONGEST_CHARACTER - 1, place)
