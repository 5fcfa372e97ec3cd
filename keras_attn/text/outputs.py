"""Encoded sources and decoded hypotheses as the outputs of the serving signatures."""

from typing import Any

import tensorflow as tf

from keras_attn.text.codec import EncodedText, SubwordCodec

__all__ = ["source_outputs", "target_outputs"]

# The score of a hypothesis that does not exist. Finite, since JSON knows no infinity.
_ABSENT = -1e9


def source_outputs(encoded: EncodedText) -> dict[str, tf.Tensor]:
    """Returns the outputs that describe the source.

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


def target_outputs(
    codec: SubwordCodec, hypotheses: Any, copies: tf.Tensor | None = None
) -> dict[str, tf.Tensor]:
    """Decodes hypotheses and returns the outputs that describe them.

    Args:
        codec: The target's codec.
        hypotheses: `Hypotheses` of TensorFlow tensors, `(B, K, ...)`.
        copies: `(B, K, T)` texts of unknown tokens; `None`: no text.

    Returns:
        The other outputs, with the leading axes `(B, K)`. Where there are fewer
        than `K` hypotheses, the missing ones have length 0 and score -1e9.
    """
    shape = tf.shape(hypotheses.token_ids)  # B, K, T
    steps = shape[2]
    rows = [shape[0] * shape[1], steps]
    decoded = codec.surface(
        tf.reshape(hypotheses.token_ids, rows),
        tf.reshape(hypotheses.lengths, [-1]),
        None if copies is None else tf.reshape(copies, rows),
    )
    return {
        "translation": tf.reshape(decoded.text, shape[:2]),
        "score": tf.where(hypotheses.lengths > 0, hypotheses.scores, _ABSENT),
        "token_scores": hypotheses.token_scores,
        "target_tokens": tf.reshape(decoded.pieces, shape),
        "target_begin": tf.reshape(decoded.begin, shape),
        "target_end": tf.reshape(decoded.end, shape),
        "target_length": hypotheses.lengths,
        "attention": hypotheses.attention,
        "target_truncated": tf.cast(hypotheses.truncated, tf.int32),
    }
