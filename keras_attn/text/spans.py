"""Spans of a text without the blanks at their ends."""

import tensorflow as tf

__all__ = ["BLANKS", "without_blanks"]

# What SentencePiece's normaliser turns into a space or removes, for RE2. A token's
# span leaves these out at both ends. (NUL stays: it is an unknown character.)
BLANKS = (
    r"[\x01-\x20\x7f\x{8f}\x{9f}\x{a0}\x{61c}\x{1680}\x{2000}-\x{200c}\x{200e}\x{200f}"
    r"\x{2028}\x{2029}\x{202f}\x{205f}\x{2581}\x{3000}\x{feff}\x{fffd}]+"
)


def without_blanks(
    text: tf.Tensor, begin: tf.Tensor, end: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Shrinks spans by the blanks at both their ends.

    Args:
        text: `(B,)` strings, any bytes.
        begin: `(B, S)` int32, first byte of each span.
        end: `(B, S)` int32, one past its last byte.

    Returns:
        `begin` and `end` of the smaller spans. One of blanks alone becomes an empty
        one at its end.

    Example:

    >>> text, begin, end = tf.constant(["a  b"]), tf.constant([[0, 1]]), [[1, 4]]
    >>> begin, end = without_blanks(text, begin, tf.constant(end))
    >>> begin.numpy().tolist(), end.numpy().tolist()
    ([[0, 3]], [[1, 4]])
    """
    # The operation copies a row for each of its spans: let it have what they lie in.
    last = tf.reduce_max(tf.pad(end, [[0, 0], [0, 1]]), axis=1)
    text = tf.strings.substr(text, tf.zeros_like(last), last)
    inside = tf.strings.substr(text[:, tf.newaxis], begin, end - begin)
    no_left = tf.strings.regex_replace(inside, f"^{BLANKS}", "")
    no_right = tf.strings.regex_replace(no_left, f"{BLANKS}$", "")
    # A span of blanks alone becomes an empty one at its end, before the next token.
    return end - tf.strings.length(no_left), end - (
        tf.strings.length(no_left) - tf.strings.length(no_right)
    )
