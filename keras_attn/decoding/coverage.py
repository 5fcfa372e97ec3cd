"""How much of the source a hypothesis has looked at."""

from typing import Any

from keras import ops

from keras_attn.decoding.hypotheses import Hypotheses
from keras_attn.decoding.stepping import gather_along

__all__ = ["check_coverage_penalty", "coverage", "rerank"]

# Attention that counts for a source token without any: -inf would make all hypotheses
# that left one out equal. A sharp softmax comes as near to 0.
_LEAST_ATTENTION = 1e-6


def check_coverage_penalty(coverage_penalty: Any, source_mask: Any) -> None:
    """Raises for what cannot be a coverage penalty.

    Raises:
        ValueError: If it is no number or below 0, or comes without a mask.
    """
    number = isinstance(coverage_penalty, int | float)
    if not number or isinstance(coverage_penalty, bool) or not coverage_penalty >= 0:
        raise ValueError(
            "`coverage_penalty` must be a number, 0 or more. "
            f"Received: coverage_penalty={coverage_penalty!r}."
        )
    if coverage_penalty and source_mask is None:
        raise ValueError(
            "Which source tokens are to be covered, `source_mask` must say. Received: "
            f"coverage_penalty={coverage_penalty!r}, source_mask=None."
        )


def coverage(attention: Any, source_mask: Any) -> Any:
    """Returns the log of how far each hypothesis has covered its source.

    `sum_s log min(sum_t a_ts, 1)` over the real source tokens: 0 where each of them got
    the attention of a whole target token, and lower the more are left out. Less
    attention than 1e-6 counts as that.

    Args:
        attention: `(B, K, T, S)`, zeros beyond the length.
        source_mask: `(B, S)` booleans, True for real source tokens.

    Returns:
        `(B, K)` float32.

    Example: one token is covered by half.

    >>> attention = ops.array([[[[0.5, 0.5], [0.0, 1.0]]]])
    >>> round(float(coverage(attention, ops.array([[True, True]]))[0, 0]), 4)  # ln 0.5
    -0.6931

    Reference: Wu et al., 2016, arXiv:1609.08144, equation 14.
    """
    looked = ops.sum(ops.cast(attention, "float32"), axis=2)
    logs = ops.log(ops.clip(looked, _LEAST_ATTENTION, 1.0))
    return ops.sum(ops.where(source_mask[:, None, :], logs, 0.0), axis=-1)


def rerank(
    hypotheses: Hypotheses, ranks: Any, coverage_penalty: float, source_mask: Any
) -> Hypotheses:
    """Puts the hypotheses of each row in the order of rank and coverage, best first.

    Args:
        hypotheses: The `K` of each row, in the order of `ranks`.
        ranks: `(B, K)` float32, -inf where there is no hypothesis.
        coverage_penalty: How much coverage counts; at 0 the order stays.
        source_mask: As in `coverage`; `None` at 0.
    """
    if not coverage_penalty:
        return hypotheses
    ranks = ranks + coverage_penalty * coverage(hypotheses.attention, source_mask)
    _, order = ops.top_k(ranks, ranks.shape[1])
    order = ops.cast(order, "int32")
    return Hypotheses(*(gather_along(field, order) for field in hypotheses))
