"""Merges the subwords of a batch of translations into words, in the graph.

The same as `word_spans` and `merge_attention` of `words.py` do for one translation in
Python.
"""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from keras_attn.translation import TOKEN_WEIGHTS
from keras_attn.typing import Tensor

__all__ = ["merge_words"]

# The rule of `words.py` for RE2: letters and digits with their combining marks. (RE2
# has no lookahead: an apostrophe is read with the letter after it.) Invalid UTF-8
# matches nothing.
_JOINERS = r"\x{ad}\x{200c}\x{200d}"
_ACCENTS = rf"[\pM{_JOINERS}]*"
_LETTER = rf"[\pL\pN]{_ACCENTS}"
_MARK = rf"(?:[^\pL\pN\pZ\p{{Cc}}\p{{Cf}}\p{{Cs}}]|[{_JOINERS}]){_ACCENTS}"
_WORD = rf"{_LETTER}(?:['’\-]?{_LETTER})*|{_MARK}"

# One unknown token may hold any number of words.
_WORDS_PER_TOKEN = 8


class _Words(NamedTuple):
    """The words of a batch of texts and, after each row's last, its end token."""

    pieces: Tensor  # (B, W) string, "" beyond
    begin: Tensor  # (B, W) int32, 0 beyond
    end: Tensor  # (B, W) int32, 0 beyond
    lengths: Tensor  # (B,) int32, end token included
    shares: Tensor  # (B, N, W) float32, share of a token in a word


def merge_words(
    text: tf.Tensor, outputs: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Replaces the subwords of a batch of translations by words.

    Words are those of `word_spans`. Attention and alignment are summed over the source
    tokens of a word and averaged over the target tokens of a word, as `merge_attention`
    does it; log p is summed. The end token stays, the last of each row. Source words
    beyond what the model read are left out, and there are at most 8 words a token.

    Args:
        text: `(B,)` strings, the texts that were translated.
        outputs: The outputs of the serving signature `translate` for them.

    Returns:
        The same outputs; S and T are words, and `*_length` counts them.

    Example:

    >>> numbers = lambda *rows: tf.constant(rows, tf.int32)
    >>> merged = merge_words(tf.constant(["Haustür"]), {
    ...     "translation": tf.constant(["door"]),
    ...     "token_scores": tf.constant([[-0.5, -0.25, -0.125]]),
    ...     "source_tokens": tf.constant([["▁Haus", "tür", "</s>"]]),
    ...     "source_begin": numbers([0, 4, 8]), "source_end": numbers([4, 8, 8]),
    ...     "source_length": tf.constant([3]),
    ...     "target_tokens": tf.constant([["▁do", "or", "</s>"]]),
    ...     "target_begin": numbers([0, 2, 4]), "target_end": numbers([2, 4, 4]),
    ...     "target_length": tf.constant([3]),
    ...     "attention": tf.constant([[[.25, .5, .25], [.5, .5, 0.], [0., 0., 1.]]]),
    ... })
    >>> merged["attention"].numpy()
    array([[[0.875, 0.125],
            [0.   , 1.   ]]], dtype=float32)
    >>> merged["token_scores"].numpy()
    array([[-0.75 , -0.125]], dtype=float32)
    """
    source = _words(text, outputs, "source")
    target = _words(outputs["translation"], outputs, "target")
    tokens_in_word = tf.reduce_sum(target.shares, axis=1)[:, :, tf.newaxis]

    def merge_weights(weights):
        summed = tf.matmul(target.shares, weights, transpose_a=True)
        summed = tf.matmul(summed, source.shares)
        return tf.math.divide_no_nan(summed, tokens_in_word)

    scores = outputs["token_scores"][:, :, tf.newaxis]
    return {
        **outputs,
        **_named(source, "source"),
        **_named(target, "target"),
        "token_scores": tf.reduce_sum(target.shares * scores, axis=1),
        **{
            name: merge_weights(outputs[name])
            for name in TOKEN_WEIGHTS
            if name in outputs
        },
    }


def _named(words, side):
    return {
        f"{side}_tokens": words.pieces,
        f"{side}_begin": words.begin,
        f"{side}_end": words.end,
        f"{side}_length": words.lengths,
    }


def _words(text, outputs, side):
    """Returns the words of one side, and the share of each token in each word."""
    tokens, begins, ends, length = (
        outputs[f"{side}_{name}"] for name in ("tokens", "begin", "end", "length")
    )
    last = length[:, tf.newaxis] - 1
    stop = tf.gather(ends, last, batch_dims=1)
    pieces, begin, end = _split_words(text)
    index = tf.range(tf.shape(pieces)[1])
    is_word = (
        (end > begin)
        & (begin < stop)
        & (index < _WORDS_PER_TOKEN * length[:, tf.newaxis])
    )
    count = tf.reduce_sum(tf.cast(is_word, tf.int32), axis=1, keepdims=True)
    width = tf.reduce_max(tf.concat([count, [[0]]], axis=0))
    # Columns of words come first; one more column for the end token.
    pieces, begin, end, is_word = (
        tf.pad(column[:, :width], [[0, 0], [0, 1]])
        for column in (pieces, begin, end, is_word)
    )
    is_end = tf.range(width + 1) == count
    begin, end = (
        tf.where(is_word, column, tf.where(is_end, stop, 0)) for column in (begin, end)
    )
    end_piece = tf.gather(tokens, last, batch_dims=1)
    pieces = tf.where(is_word, pieces, tf.where(is_end, end_piece, ""))
    shares = _shares(begins, ends, last, begin, end, is_word, count)
    return _Words(pieces, begin, end, count[:, 0] + 1, shares)


def _split_words(text):
    """Returns the words of `text` `(B,)`, "" beyond, and their bytes, `(B, W)` each."""
    # Split before and after each word, at a control character (which counts as a
    # blank): every second part is a word.
    blank = tf.strings.regex_replace(text, "\x01", " ")
    parts = tf.strings.regex_replace(blank, _WORD, "\x01\\0\x01")
    parts = tf.strings.split(parts, "\x01").to_tensor()
    sizes = tf.strings.length(parts)
    end = tf.cumsum(sizes, axis=1)
    return parts[:, 1::2], (end - sizes)[:, 1::2], end[:, 1::2]


def _shares(token_begin, token_end, last, begin, end, is_word, count):
    """Returns the share of each token in each word, `(B, N, W)`; rows sum to 1."""
    token_begin, token_end = token_begin[..., tf.newaxis], token_end[..., tf.newaxis]
    words = [column[:, tf.newaxis] for column in (begin, end, is_word)]
    shared = tf.minimum(token_end, words[1]) - tf.maximum(token_begin, words[0])
    shared = tf.where(words[2], tf.maximum(shared, 0), 0)
    total = tf.reduce_sum(shared, axis=2, keepdims=True)
    # A token outside of words belongs to the next word, else to the last one.
    before = tf.cast(words[2] & (words[1] <= token_begin), tf.int32)
    following = tf.minimum(tf.reduce_sum(before, axis=2), count - 1)
    position = tf.range(tf.shape(following)[1])
    is_end = (position == last) | (count == 0)
    following = tf.where(is_end, count, following)
    shares = tf.where(
        total > 0,
        tf.cast(shared / tf.maximum(total, 1), tf.float32),
        tf.one_hot(following, tf.shape(begin)[1]),
    )
    return tf.where((position <= last)[..., tf.newaxis], shares, 0.0)
