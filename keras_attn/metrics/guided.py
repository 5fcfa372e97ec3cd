"""Guided attention: a loss against known word alignments."""

from keras import ops

from keras_attn.inputs import sizes_differ
from keras_attn.metrics.weighting import broadcast_weight
from keras_attn.typing import Tensor

__all__ = ["guided_attention_loss"]

# Added to weights before the logarithm: those of a sharp softmax underflow to 0.
_EPSILON = 1e-7


def guided_attention_loss(
    weights: Tensor, links: Tensor, sample_weight: Tensor | None = None
) -> Tensor:
    """Returns the mean cross-entropy of attention against linked source tokens, nats.

    A target token that is linked to `n` source tokens should spread its attention
    evenly over these. The mean is over the target tokens that have a link, weighted by
    the sample weights `w_bt`:

        loss_bt = -1/n_bt sum_{s linked to t} log a_bts
        loss = sum_bt w_bt loss_bt / sum_bt w_bt

    Args:
        weights: `(B, T, S)` attention of each target token over the source.
        links: `(B, T, S)` booleans, True where both tokens translate each other. Rows
            without a link, such as padding, are left out.
        sample_weight: Weights of sentences `(B,)`, or of target tokens `(B, T)`;
            `None`: all 1.

    Returns:
        A float32 scalar; 0 where no token with a link has a weight. The mean is over
        the rows given: `add_loss` averages it over the replicas of a strategy.

    Raises:
        ValueError: If attention and links, or the sample weights, have other shapes.

    Example:

    >>> weights = ops.array([[[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]]])
    >>> links = ops.array([[[True, False, False], [False, False, False]]])
    >>> round(float(guided_attention_loss(weights, links)), 4)  # ln 2
    0.6931

    Reference: Chen et al., 2016, arXiv:1607.01628, section 3; Mi, Wang and
        Ittycheriah, 2016, arXiv:1608.00112, section 3.
    """
    weights, links = ops.cast(weights, "float32"), ops.cast(links, "float32")
    if not len(weights.shape) == len(links.shape) == 3 or any(
        map(sizes_differ, links.shape, weights.shape)
    ):
        raise ValueError(
            "Attention `weights` and `links` must have the same shape (B, T, S). "
            f"Received: weights of shape {tuple(weights.shape)}, links of shape "
            f"{tuple(links.shape)}."
        )
    counts = ops.sum(links, axis=-1)
    losses = ops.sum(links * -ops.log(weights + _EPSILON), axis=-1)
    losses = losses / ops.maximum(counts, 1)
    token_weights = ops.cast(counts > 0, "float32")
    if sample_weight is not None:
        token_weights = token_weights * broadcast_weight(
            sample_weight, tuple(counts.shape), "float32", "guided_attention_loss"
        )
    return ops.divide_no_nan(ops.sum(losses * token_weights), ops.sum(token_weights))
