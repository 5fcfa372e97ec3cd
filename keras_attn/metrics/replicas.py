"""Sums and means over the replicas of a TensorFlow distribution strategy."""

import keras
from keras import ops

from keras_attn.typing import Tensor

__all__ = ["replica_share"]


def replica_share(total: Tensor, weight: Tensor | None = None) -> Tensor:
    """Returns this replica's share of a sum or of a weighted mean over all replicas.

    Where each of `R` replicas has a sum `t_r` and the sum `n_r` of its weights,

        share = 1/R (sum_r t_r) / (sum_r n_r)
        d share = d t_r / (sum_r n_r)

    so that values and gradients both add up to those of one device with the whole
    batch, however unevenly sentences and tokens are spread. The value is not
    `t_r / sum_r n_r`: Keras multiplies each replica's loss by `R` times its number of
    sentences before it reports the mean.

    Args:
        total: Float scalar, the sum on this replica.
        weight: Float scalar of the same dtype, the sum of its weights, without a
            gradient; `None`: a sum is shared instead of a mean.

    Returns:
        A scalar of the dtype of `total`; 0 where a mean has no weight at all. Without
        a strategy, on other backends, and outside of replicas it is the sum or mean
        itself.
    """
    context = _replica_context()
    if context is None:
        return total if weight is None else ops.divide_no_nan(total, weight)
    sums = [total] if weight is None else [total, weight]
    # Stacked: each reduction waits for all replicas.
    sums = context.all_reduce("SUM", ops.stop_gradient(ops.stack(sums)))
    whole, own = sums[0], total
    if weight is not None:
        whole, own = (ops.divide_no_nan(sum_, sums[1]) for sum_ in (whole, own))
    return whole / context.num_replicas_in_sync + (own - ops.stop_gradient(own))


def _replica_context():
    """Returns the context of a replica among several, otherwise `None`."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context
