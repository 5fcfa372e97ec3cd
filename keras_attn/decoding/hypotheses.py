"""What every search returns, and the one place where its padding is defined."""

from typing import Any, NamedTuple

from keras import ops

__all__ = ["Hypotheses", "pack_hypotheses"]


class Hypotheses(NamedTuple):
    """The `K` hypotheses of each of `B` sentences, best first.

    `T` is the longest length of the batch; slice by `lengths` and an answer does
    not depend on its batch-mates. A sentence with fewer than `K` hypotheses is
    filled up with absent ones: length 0, score -inf, everything else padding.

    Attributes:
        token_ids: `(B, K, T)` int32, the end token included; the padding id beyond
            the length.
        lengths: `(B, K)` int32, the end token included.
        scores: `(B, K)` float32, the sum of log p over the tokens, the end token
            included; not normalised by length.
        token_scores: `(B, K, T)` float32, log p of each token; 0 beyond the length.
        attention: `(B, K, T, S)` float32, the weights of the step that chose each
            token; 0 beyond the length.
        truncated: `(B, K)` bool, True where the length limit forced the end token
            although another token was more probable.
    """

    token_ids: Any
    lengths: Any
    scores: Any
    token_scores: Any
    attention: Any
    truncated: Any


def pack_hypotheses(
    token_ids: Any,
    token_scores: Any,
    weights: Any,
    *,
    lengths: Any,
    scores: Any,
    truncated: Any,
    pad_id: int,
) -> Hypotheses:
    """Pads what a search wrote step by step and puts the batch axis first.

    Args:
        token_ids: `(T, B, K)` int32, one row a step; anything beyond the length.
        token_scores: `(T, B, K)` float32, likewise.
        weights: `(T, B, K, S)` float32, likewise.
        lengths: `(B, K)` int32, at most `T`.
        scores: `(B, K)` float32.
        truncated: `(B, K)` bool.
        pad_id: Written to `token_ids` beyond the length.

    Returns:
        `Hypotheses` of the same `T`.
    """
    positions = ops.arange(ops.shape(token_ids)[0], dtype="int32")
    real = positions[:, None, None] < lengths[None]  # (T, B, K)
    return Hypotheses(
        token_ids=ops.transpose(ops.where(real, token_ids, pad_id), (1, 2, 0)),
        lengths=lengths,
        scores=scores,
        token_scores=ops.transpose(ops.where(real, token_scores, 0.0), (1, 2, 0)),
        attention=ops.transpose(ops.where(real[..., None], weights, 0.0), (1, 2, 0, 3)),
        truncated=truncated,
    )
