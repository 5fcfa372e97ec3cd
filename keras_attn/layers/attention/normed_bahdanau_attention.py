"""Additive attention with a weight-normalised score vector."""

import math

import keras
from keras import ops

from keras_attn.layers.attention.bahdanau_attention import BahdanauAttention
from keras_attn.layers.attention.base import History
from keras_attn.typing import Shape, Tensor

__all__ = ["NormedBahdanauAttention"]


@keras.saving.register_keras_serializable(package="keras_attn")
class NormedBahdanauAttention(BahdanauAttention):
    """Additive attention with a weight-normalised score vector.

        e_j = g v/|v| . tanh(W_q s + W_m h_j + b)

    The length `g` of the score vector controls how sharp the weights are, its direction
    which features count; both are learned separately. `b` starts at zeros and `g` at
    `sqrt(1 / A)`, so that all scores lie between -1 and 1 at first, whatever `A` is.

    Args:
        units: Width `A` of the space where query and memory are compared.
        **kwargs: What `BahdanauAttention` takes.

    Call arguments and returns: those of `Attention`.

    Raises:
        ValueError: As `BahdanauAttention`.

    Example:

    >>> attend = NormedBahdanauAttention(units=4)
    >>> context, weights = attend(ops.ones((2, 3)), ops.ones((2, 5, 6)))
    >>> ops.convert_to_numpy(attend.score_scale).item()
    0.5

    Reference: Salimans and Kingma, 2016, arXiv:1602.07868, section 2, equation 2;
    the align function of Bahdanau et al., 2015, arXiv:1409.0473, appendix A.1.2.
    """

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        super().build(query_shape, memory_shape)
        self.score_scale = self.add_weight(
            name="score_scale",
            shape=(),
            initializer=keras.initializers.Constant(math.sqrt(1 / self.units)),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer="zeros"
        )

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        projected_query = ops.matmul(query, self.query_kernel) + self.bias
        energies = ops.tanh(projected_query[:, None, :] + keys)  # (B, S, A)
        return ops.matmul(energies, self._normed_kernel())[:, :, 0]

    def _normed_kernel(self):
        # In float32, since float16 loses the sum of many small squares. The minimum
        # keeps a vector of zeros, and its gradient, finite.
        kernel = ops.cast(self.score_kernel, "float32")
        inverse_length = ops.rsqrt(ops.maximum(ops.sum(ops.square(kernel)), 1e-12))
        scale = ops.cast(self.score_scale, "float32")
        return ops.cast(scale * kernel * inverse_length, self.compute_dtype)
