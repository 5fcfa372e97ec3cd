"""Additive attention: a network with one hidden layer scores each memory row."""

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

__all__ = ["BahdanauAttention"]


@keras.saving.register_keras_serializable(package="keras_attn")
class BahdanauAttention(Attention):
    """Scores memory rows by a network with one hidden layer.

    The decoder attends to all source positions at every step, so that no single vector
    has to hold the sentence. With `s` the query and `h_j` row `j` of the memory:

        e_j = v . tanh(W_q s + W_m h_j)        the align function
        a_j = exp(e_j) / sum_k exp(e_k)        over real tokens only
        c   = sum_j a_j h_j

    `W_m h_j` does not depend on the query: compute it once a sentence with
    `project_memory` and pass it as `keys` at every step.

    Args:
        units: Width `A` of the space where query and memory are compared.
        kernel_initializer: Initializer of `W_q` and `W_m`.
        score_initializer: Initializer of `v`.
        **kwargs: `temperature`, `normaliser`, `dropout` and `seed` of `Attention`,
            and what `keras.layers.Layer` takes.

    Call arguments and returns: those of `Attention`.

    Raises:
        ValueError: If `units` is not a positive integer, or a tensor has the wrong
            rank or a batch or length that does not fit the others.

    Example:

    >>> attend = BahdanauAttention(units=8)
    >>> context, weights = attend(ops.ones((2, 4)), ops.ones((2, 5, 6)))
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 6), (2, 5))

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, section 3.1 and
    appendix A.1.2.
    """

    def __init__(
        self,
        units: int,
        kernel_initializer: Initializer = "glorot_uniform",
        score_initializer: Initializer = "glorot_uniform",
        **kwargs: Unpack[AttentionOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units)
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.score_initializer = keras.initializers.get(score_initializer)

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        self._check_build(query_shape, memory_shape)
        self.query_kernel = self.add_weight(
            name="query_kernel",
            shape=(query_shape[-1], self.units),
            initializer=self.kernel_initializer,
        )
        self.memory_kernel = self.add_weight(
            name="memory_kernel",
            shape=(memory_shape[-1], self.units),
            initializer=self.kernel_initializer,
        )
        # Rank 2, so that the scores are one matrix product.
        self.score_kernel = self.add_weight(
            name="score_kernel",
            shape=(self.units, 1),
            initializer=self.score_initializer,
        )

    def project_memory(self, memory: Tensor) -> Tensor:
        # Also called from outside `__call__`, where Keras casts no variable.
        kernel = ops.cast(self.memory_kernel, self.compute_dtype)
        return ops.matmul(ops.cast(memory, self.compute_dtype), kernel)

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        projected_query = ops.matmul(query, self.query_kernel)
        energies = ops.tanh(projected_query[:, None, :] + keys)  # (B, S, A)
        return times_vector(energies, self.score_kernel)

    def get_config(self) -> Config:
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": serialize(self.kernel_initializer),
            "score_initializer": serialize(self.score_initializer),
        }
