"""Concat attention: a network over the concatenated query and memory row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer
from keras_attn.layers.attention.base import Attention, AttentionOptions, History
from keras_attn.step_ops import times_vector
from keras_attn.typing import Config, Initializer, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["ConcatAttention"]


@keras.saving.register_keras_serializable(package="keras_attn")
class ConcatAttention(Attention):
    """Scores memory rows by a network with one hidden layer over `[s ; h_j]`.

        e_j = v . tanh(W [s ; h_j] + b)        b only with `use_bias`

    `W [s ; h_j] = W_q s + W_m h_j`, with the columns of `W` in two halves: these are
    the functions of `BahdanauAttention`, written with one matrix, and the half of
    the memory is computed once a sentence here too. Two things differ: `W` starts as
    one matrix, so each half starts smaller than two matrices would, and there may be
    a bias.

    Args:
        units: Width `A` of the hidden layer.
        use_bias: Whether to add `b`; the paper does not.
        kernel_initializer: Initializer of `W`, kept transposed: `(Q + M, A)`.
        score_initializer: Initializer of `v`.
        **kwargs: `temperature`, `normaliser`, `dropout` and `seed` of `Attention`,
            and what `keras.layers.Layer` takes.

    Call arguments and returns: those of `Attention`.

    Raises:
        ValueError: As `Attention`; or if `units` is not a positive integer.

    Example:

    >>> attend = ConcatAttention(units=8)
    >>> context, weights = attend(ops.ones((2, 4)), ops.ones((2, 5, 6)))
    >>> tuple(attend.kernel.shape), tuple(weights.shape)
    ((10, 8), (2, 5))

    Reference: Luong et al., 2015, arXiv:1508.04025, section 3.1, `score`, "concat".
    """

    def __init__(
        self,
        units: int,
        use_bias: bool = False,
        kernel_initializer: Initializer = "glorot_uniform",
        score_initializer: Initializer = "glorot_uniform",
        **kwargs: Unpack[AttentionOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units)
        self.units = units
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.score_initializer = keras.initializers.get(score_initializer)

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        super().build(query_shape, memory_shape)
        self._query_size = query_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(query_shape[-1] + memory_shape[-1], self.units),
            initializer=self.kernel_initializer,
        )
        # Rank 2, so that the scores are one matrix product.
        self.score_kernel = self.add_weight(
            name="score_kernel",
            shape=(self.units, 1),
            initializer=self.score_initializer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.units,), initializer="zeros"
            )

    def project_memory(self, memory: Tensor) -> Tensor:
        # Also called from outside `__call__`, where Keras casts no variable.
        kernel = ops.cast(self.kernel[self._query_size :], self.compute_dtype)
        return ops.matmul(ops.cast(memory, self.compute_dtype), kernel)

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        projected_query = ops.matmul(query, self.kernel[: self._query_size])
        if self.bias is not None:
            projected_query = projected_query + self.bias
        energies = ops.tanh(projected_query[:, None, :] + keys)  # (B, S, A)
        return times_vector(energies, self.score_kernel)

    def get_config(self) -> Config:
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "kernel_initializer": serialize(self.kernel_initializer),
            "score_initializer": serialize(self.score_initializer),
        }
