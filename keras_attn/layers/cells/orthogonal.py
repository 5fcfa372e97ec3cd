"""Orthogonal first weights in any precision."""

import keras
from keras import ops

__all__ = ["AnyPrecisionOrthogonal"]


@keras.saving.register_keras_serializable(package="keras_attn")
class AnyPrecisionOrthogonal(keras.initializers.Orthogonal):
    """`keras.initializers.Orthogonal`, also for weights of half precision.

    Keras computes the decomposition in the precision of the weight, and no backend has
    one in 16 bits. Here it is computed in float32 and rounded.

    Arguments are those of `keras.initializers.Orthogonal`, and so are the values in
    float32.

    Example:

    >>> values = AnyPrecisionOrthogonal(seed=1)((2, 2), dtype="bfloat16")
    >>> square = ops.matmul(values, ops.transpose(values))
    >>> abs(ops.convert_to_numpy(ops.cast(square, "float32"))).round(1).tolist()
    [[1.0, 0.0], [0.0, 1.0]]

    Reference: Saxe et al., 2014, arXiv:1312.6120.
    """

    def __call__(self, shape, dtype=None):
        dtype = keras.backend.standardize_dtype(dtype)
        return ops.cast(super().__call__(shape, dtype="float32"), dtype)
