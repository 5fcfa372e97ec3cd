"""Encoded sources and decoded hypotheses as the outputs of the serving signatures."""

from typing import Any

from keras_attn.text import graph
from keras_attn.text.codec import EncodedText, SubwordCodec
from keras_attn.typing import Tensor

__all__ = ["source_outputs", "target_outputs"]

# The score of a hypothesis that does not exist. Finite, since JSON knows no infinity.
_ABSENT = -1e9


def source_outputs(encoded: EncodedText) -> dict[str, Tensor]:
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
    codec: SubwordCodec,
    hypotheses: Any,
    copies: Tensor | None = None,
    alignment: Tensor | None = None,
) -> dict[str, Tensor]:
    """Decodes hypotheses and returns the outputs that describe them.

    Args:
        codec: The target's codec.
        hypotheses: `Hypotheses` of numbers beside strings, `(B, K, ...)`.
        copies: `(B, K, T)` texts of unknown tokens; `None`: no text.
        alignment: `(B, K, T, S)` float32; `None`: no such output.

    Returns:
        The other outputs, with the leading axes `(B, K)`. Where there are fewer
        than `K` hypotheses, the missing ones have length 0 and score -1e9.
    """
    decoded = codec.surface(hypotheses.token_ids, hypotheses.lengths, copies)
    exists = hypotheses.lengths > 0
    aligned = {} if alignment is None else {"alignment": alignment}
    return {
        "translation": decoded.text,
        "score": graph.where(exists, hypotheses.scores, _ABSENT),
        "token_scores": hypotheses.token_scores,
        "target_tokens": decoded.pieces,
        "target_begin": decoded.begin,
        "target_end": decoded.end,
        "target_length": hypotheses.lengths,
        "attention": hypotheses.attention,
        **aligned,
        "target_truncated": graph.as_integers(hypotheses.truncated),
    }
