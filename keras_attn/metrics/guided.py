"""Guided attention: a loss against known word alignments."""

from keras import ops

__all__ = ["guided_attention_loss"]

# Added to weights before the logarithm: those of a sharp softmax underflow to 0.
_EPSILON = 1e-7


def guided_attention_loss(weights, links):
    """Returns the mean cross-entropy of attention against linked source tokens, nats.

    A target token that is linked to `n` source tokens should spread its attention
    evenly over these. The mean is over the target tokens `L` that have a link:

        loss = mean_{t in L} -1/n_t sum_{s linked to t} log a_ts

    Args:
        weights: `(B, T, S)` attention of each target token over the source.
        links: `(B, T, S)` booleans, True where both tokens translate each other. Rows
            without a link, such as padding, are left out.

    Returns:
        A float32 scalar; 0 where there is no link at all.

    Example:

    >>> weights = ops.array([[[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]]])
    >>> links = ops.array([[[True, False, False], [False, False, False]]])
    >>> round(float(guided_attention_loss(weights, links)), 4)  # ln 2
    0.6931

    Reference: Chen et al., 2016, arXiv:1607.01628, section 3; Mi, Wang and
        Ittycheriah, 2016, arXiv:1608.00112, section 3.
    """
    links = ops.cast(links, "float32")
    counts = ops.sum(links, axis=-1)
    log_losses = -ops.log(ops.cast(weights, "float32") + _EPSILON)
    losses = ops.sum(links * log_losses, axis=-1) / ops.maximum(counts, 1)
    linked = ops.sum(ops.cast(counts > 0, "float32"))
    return ops.sum(losses) / ops.maximum(linked, 1)
