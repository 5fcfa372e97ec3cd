"""Symmetric Kullback-Leibler divergence of two predictions."""

from keras import ops

from keras_attn.typing import Tensor

__all__ = ["symmetric_divergence"]


def symmetric_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Returns the mean of the two Kullback-Leibler divergences of each prediction.

    With `p` and `q` the softmax of both logits,

        d = 1/2 [ KL(p || q) + KL(q || p) ] = 1/2 sum_k (p_k - q_k) (log p_k - log q_k)

    Args:
        first: `(..., V)` logits of any float dtype; computed in float32.
        second: Logits of the same shape.

    Returns:
        `(...)` float32 in nats; 0 where both predict the same.

    Example:

    >>> even, uneven = ops.array([0.0, 0.0]), ops.log(ops.array([0.75, 0.25]))
    >>> round(float(symmetric_divergence(even, uneven)), 4)  # (ln 3) / 8
    0.1373

    Reference: Liang et al., 2021, arXiv:2106.14448, section 2.1.
    """
    log_p = ops.log_softmax(ops.cast(first, "float32"), axis=-1)
    log_q = ops.log_softmax(ops.cast(second, "float32"), axis=-1)
    difference = (ops.exp(log_p) - ops.exp(log_q)) * (log_p - log_q)
    return 0.5 * ops.sum(difference, axis=-1)
