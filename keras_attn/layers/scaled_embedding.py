"""Word embeddings that start at the scale the recurrent layers expect."""

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer

__all__ = ["ScaledEmbedding"]


@keras.saving.register_keras_serializable(package="keras_attn")
class ScaledEmbedding(keras.layers.Layer):
    """Looks up word vectors and, turned round, scores words against features.

    The table is drawn from N(0, 1 / E) and a looked-up row is multiplied by
    sqrt(E), so that its numbers have variance 1. `keras.layers.Embedding` starts more
    than thirty times smaller; the recurrent layers then see almost nothing of the
    words during the first epochs. As an output layer the same table gives logits of
    variance at most 1 for bounded features: a loss of about ln V before training.

    Args:
        input_dim: Number of ids `V`.
        output_dim: Width `E`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        ids: Integers of any shape.

    Example:

    >>> embed = ScaledEmbedding(10, 4)
    >>> tuple(embed(ops.array([[7, 3]])).shape)
    (1, 2, 4)
    >>> tuple(embed.logits(ops.ones((1, 2, 4))).shape)
    (1, 2, 10)

    Reference: Press and Wolf, 2017, arXiv:1608.05859 (one table for both uses).
    """

    def __init__(self, input_dim, output_dim, **kwargs):
        super().__init__(**kwargs)
        check_positive_integer(self.name, input_dim=input_dim, output_dim=output_dim)
        self.input_dim = input_dim
        self.output_dim = output_dim

    def build(self, ids_shape=None):
        self.table = self.add_weight(
            name="table",
            shape=(self.input_dim, self.output_dim),
            initializer=keras.initializers.RandomNormal(stddev=self.output_dim**-0.5),
        )

    def call(self, ids):
        rows = ops.take(self.table, ids, axis=0)
        return ops.cast(rows, self.compute_dtype) * self.output_dim**0.5

    def logits(self, features):
        """Returns the products of features `(..., E)` with every row, `(..., V)`."""
        table = ops.cast(self.table, self.compute_dtype)
        return ops.matmul(features, ops.transpose(table))

    def get_config(self):
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
        }
