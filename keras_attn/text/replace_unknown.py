"""Source words to put where a decoder wrote that it knows no word."""

import tensorflow as tf

from keras_attn.text.codec import EncodedText

__all__ = ["attended_words", "copies_for_unknown"]

_WORD_BEGINS = "▁"


def copies_for_unknown(text, encoded, unknown_id, attention):
    """Returns, for each step of a decoder, the source word that it looked at most.

    Args:
        text: `(B,)` strings, the sources.
        encoded: What was read of them.
        unknown_id: Of the source vocabulary.
        attention: `(B, K, T, S)` float32.

    Returns:
        `(B, K, T)` strings: UTF-8 without control characters; "" for a step that looked
        most at the end token.

    Reference: Luong et al., 2015, arXiv:1410.8206, section 3.3; by attention, Jean et
    al., 2015, arXiv:1412.2007, section 3.3.
    """
    words = attended_words(text, encoded, unknown_id)
    place = tf.argmax(attention, axis=-1, output_type=tf.int32)
    return tf.gather(words, place, batch_dims=1)


def attended_words(text: tf.Tensor, encoded: EncodedText, unknown_id: int) -> tf.Tensor:
    """Returns the text that each source token stands for, when it is copied.

    That of a known subword is its whole word, from one `▁` to the next. That of an
    unknown token is what the vocabulary lacks and nothing around it.

    Args:
        text: `(B,)` strings.
        encoded: What was read of them.
        unknown_id: Of the vocabulary.

    Returns:
        `(B, S)` strings: valid UTF-8 without control characters; "" for the end token
        and beyond.
    """
    place = tf.range(tf.shape(encoded.ids)[1])
    is_token = place < encoded.lengths[:, tf.newaxis] - 1
    begins = tf.strings.regex_full_match(encoded.pieces, f"{_WORD_BEGINS}.*")
    number = tf.cumsum(tf.cast(begins, tf.int32), axis=1)  # of the word, (B, S)
    same = number[:, :, tf.newaxis] == number[:, tf.newaxis, :]
    same &= is_token[:, tf.newaxis, :]
    none = tf.strings.length(text)[:, tf.newaxis, tf.newaxis]
    # A `▁` of its own is an empty span before its word, or at the end of the one before
    # it: only what has bytes says where a word lies.
    same &= (encoded.end > encoded.begin)[:, tf.newaxis, :]
    begin = tf.reduce_min(tf.where(same, encoded.begin[:, tf.newaxis], none), axis=2)
    end = tf.reduce_max(tf.where(same, encoded.end[:, tf.newaxis], 0), axis=2)
    is_unknown = encoded.ids == unknown_id
    begin = tf.where(is_unknown, encoded.begin, begin)
    end = tf.where(is_unknown, encoded.end, end)
    size = tf.where(is_token, tf.maximum(end - begin, 0), 0)
    begin = tf.where(size > 0, begin, 0)
    words = tf.strings.substr(text[:, tf.newaxis], begin, size)
    # A translation is UTF-8, whatever came.
    words = tf.strings.unicode_transcode(words, "UTF-8", "UTF-8", errors="ignore")
    return tf.strings.regex_replace(words, r"\p{Cc}+", "")
