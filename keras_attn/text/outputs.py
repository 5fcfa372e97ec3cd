"""What a search found as the named tensors of the serving signatures."""

from typing import Any

import tensorflow as tf

from keras_attn.text.codec import EncodedText, SubwordCodec

__all__ = ["read_outputs", "written_outputs"]

# The score of a hypothesis that does not exist. Finite, since JSON knows no infinity.
_ABSENT = -1e9


def read_outputs(encoded: EncodedText) -> dict[str, tf.Tensor]:
    """Names what was read of the source texts.

    Args:
        encoded: The texts, as `SubwordCodec.encode` returns them.

    Returns:
        The outputs `source_*`, `(B,)` and `(B, S)`.
    """
    return {
        "source_tokens": encoded.pieces,
        "source_begin": encoded.begin,
        "source_end": encoded.end,
        "source_length": encoded.lengths,
        "source_truncated": encoded.truncated,
    }


def written_outputs(
    codec: SubwordCodec, found: Any, copies: tf.Tensor | None = None
) -> dict[str, tf.Tensor]:
    """Decodes hypotheses and names what is known of them.

    Args:
        codec: Of the target.
        found: `keras_attn.decoding.Hypotheses` of TensorFlow tensors, `(B, K, ...)`.
        copies: `(B, K, T)` strings to write for unknown tokens; `None`: they add
            nothing to the text.

    Returns:
        The other outputs, each with the axes `(B, K)` first. A hypothesis that does
        not exist, since there were not `K`, has the length 0 and the score -1e9.
    """
    shape = tf.shape(found.token_ids)  # B, K, T
    steps = shape[2]
    rows = [shape[0] * shape[1], steps]
    decoded = codec.surface(
        tf.reshape(found.token_ids, rows),
        tf.reshape(found.lengths, [-1]),
        None if copies is None else tf.reshape(copies, rows),
    )
    return {
        "translation": tf.reshape(decoded.text, shape[:2]),
        "score": tf.where(found.lengths > 0, found.scores, _ABSENT),
        "token_scores": found.token_scores,
        "target_tokens": tf.reshape(decoded.pieces, shape),
        "target_begin": tf.reshape(decoded.begin, shape),
        "target_end": tf.reshape(decoded.end, shape),
        "target_length": found.lengths,
        "attention": found.attention,
        "target_truncated": tf.cast(found.truncated, tf.int32),
    }
