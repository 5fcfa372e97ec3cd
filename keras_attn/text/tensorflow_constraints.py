"""Encodes constraints in the TensorFlow graph; see `constraints.py`."""

from typing import Any

import tensorflow as tf

from keras_attn.text.blanks import BLANKS
from keras_attn.text.limits import cut_texts

__all__ = ["begins_with", "encode_phrases", "encode_prefixes"]

_WORD_BEGINS = "▁"
_SEPARATORS = r"[\n\t]"  # between the phrases of a text
_NO_TOKEN = -1


def encode_prefixes(codec: Any, prefix: tf.Tensor, max_tokens: int) -> tuple:
    """Returns the fields of `EncodedPrefixes`."""
    encoded = codec.encode(prefix, max_tokens)
    position = tf.range(tf.shape(encoded.ids)[1])
    length = encoded.lengths - 1  # without the end token
    is_unknown = (encoded.ids == codec.unknown_id) & (position < length[:, tf.newaxis])
    count = tf.reduce_min(tf.where(is_unknown, position, length[:, tf.newaxis]), axis=1)
    is_whole = (count == length) & (encoded.truncated == 0)
    real = position < count[:, tf.newaxis]
    text = codec.surface(encoded.ids, count).text

    # A blank at the end is a token of its own, which begins the next word.
    is_word_complete = (
        tf.strings.regex_full_match(prefix, f"(?s).*{BLANKS}") & is_whole & (count > 0)
    )
    is_blank = is_word_complete[:, tf.newaxis] & (position == count[:, tf.newaxis])
    ids = tf.where(real, encoded.ids, _NO_TOKEN)
    pieces = tf.where(real, encoded.pieces, tf.where(is_blank, _WORD_BEGINS, ""))
    count += tf.cast(is_word_complete, tf.int32)

    # What is left of the prefix at each token of its last word.
    begins = tf.strings.regex_full_match(pieces, f"{_WORD_BEGINS}.*")
    last_word = tf.reduce_max(tf.where(begins, position, 0), axis=1)
    num_last = tf.maximum(tf.reduce_max(count - last_word), 1)
    places = count[:, tf.newaxis] - num_last + tf.range(num_last)  # (B, C)
    is_left = position >= places[:, :, tf.newaxis]  # (B, C, S)
    left = tf.strings.reduce_join(tf.where(is_left, pieces[:, tf.newaxis], ""), axis=-1)
    is_place = (places >= last_word[:, tf.newaxis]) & (left != "")
    completions = is_place[:, :, tf.newaxis] & _begin_with(codec, left)
    # After a complete word the translation may end, too.
    may_end = is_word_complete[:, tf.newaxis] & (tf.range(num_last) == num_last - 1)
    is_end = tf.range(codec.vocabulary_size) == codec.end_id
    completions |= may_end[:, :, tf.newaxis] & is_end
    return ids, count, completions, text, is_whole


def _begin_with(codec, left):
    """Returns `(B, C, V)` booleans: which tokens begin with each string `(B, C)`."""
    pieces = codec.tokenizer.id_to_string(tf.range(codec.vocabulary_size))
    # Control symbols have names, but no text.
    ids = tf.range(codec.vocabulary_size)[:, tf.newaxis]
    is_silent = tf.reduce_any(ids == tf.constant(codec.silent_ids), axis=1)
    pieces = tf.where(is_silent, "", pieces)
    flat = tf.reshape(left, [-1, 1])
    size = tf.strings.length(flat)
    # Longer than the piece it is cut by the piece's end, and then differs.
    same = tf.strings.substr(pieces[tf.newaxis], tf.zeros_like(size), size) == flat
    return tf.reshape(same, [*tf.unstack(tf.shape(left)), -1])


def begins_with(text: tf.Tensor, prefix: tf.Tensor) -> tf.Tensor:
    """Returns `(B,)` booleans: whether each text begins with its prefix."""
    size = tf.minimum(tf.strings.length(prefix), tf.strings.length(text))
    return tf.strings.substr(text, tf.zeros_like(size), size) == prefix


def encode_phrases(codec: Any, required: tf.Tensor, max_tokens: int) -> tuple:
    """Returns the fields of `EncodedPhrases`."""
    cut = cut_texts(required, max_tokens)
    is_cut = tf.strings.length(required) > tf.strings.length(cut)
    lines = tf.strings.regex_replace(cut, _SEPARATORS, "\n")
    texts = tf.strings.split(lines, sep="\n")  # (B, None)
    tokens = codec.tokenize(texts.flat_values)  # (N, None)
    is_unknown = tf.reduce_any(tokens == codec.unknown_id, axis=1)
    sizes = tf.cast(tokens.row_lengths(), tf.int32)
    phrases = texts.with_flat_values(tf.where(is_unknown, 0, sizes))
    # One place at least, for a search has to know the shapes.
    count = tf.maximum(texts.bounding_shape(axis=1, out_type=tf.int32), 1)
    lengths = phrases.to_tensor(shape=tf.stack([-1, count]))
    width = tf.maximum(tokens.bounding_shape(axis=1, out_type=tf.int32), 1)
    dense = tokens.to_tensor(_NO_TOKEN, shape=tf.stack([-1, width]))
    rows = tf.ragged.range(tf.cast(texts.row_lengths(), tf.int32)).flat_values
    index = tf.stack([tf.cast(texts.value_rowids(), tf.int32), rows], axis=1)
    token_ids = tf.tensor_scatter_nd_update(
        tf.fill(tf.stack([tf.size(required), count, width]), _NO_TOKEN), index, dense
    )
    is_left_out = tf.reduce_any(texts.with_flat_values(is_unknown), axis=1)
    return token_ids, lengths, ~(is_left_out | is_cut)
