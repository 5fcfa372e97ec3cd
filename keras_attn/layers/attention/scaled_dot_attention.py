"""Scaled dot attention: query and memory are projected, multiplied and scaled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer
from keras_attn.layers.attention.base import Attention, AttentionOptions, History
from keras_attn.typing import Config, Initializer, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["ScaledDotAttention", "ScaledDotOptions"]


class ScaledDotOptions(AttentionOptions, total=False):
    """Keyword arguments that a subclass passes on to `ScaledDotAttention`."""

    kernel_initializer: Initializer


@keras.saving.register_keras_serializable(package="keras_attn")
class ScaledDotAttention(Attention):
    """Scores memory rows by a dot product in a space of width `A`.

        q   = W_q s
        k_j = W_k h_j
        e_j = q . k_j / sqrt(A)

    A dot product of `A` terms grows with `sqrt(A)`; divided by it, the weights start
    soft for any width, and their gradients do not vanish. The context averages the
    memory itself: a value projection could be applied after the average, and the layer
    after this one has one anyway.

    Args:
        units: Width `A` of the space where query and memory are compared.
        kernel_initializer: Initializer of `W_q` and `W_k`.
        **kwargs: `temperature`, `normaliser`, `dropout` and `seed` of `Attention`,
            and what `keras.layers.Layer` takes.

    Call arguments and returns: those of `Attention`.

    Raises:
        ValueError: As `Attention`; or if `units` is not a positive integer.

    Example:

    >>> attend = ScaledDotAttention(units=8)
    >>> context, weights = attend(ops.ones((2, 4)), ops.ones((2, 5, 6)))
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 6), (2, 5))

    Reference: Vaswani et al., 2017, arXiv:1706.03762, section 3.2.1, equation 1,
    with the learned projections of section 3.2.2 for one head.
    """

    def __init__(
        self,
        units: int,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Unpack[AttentionOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units)
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        super().build(query_shape, memory_shape)
        self.query_kernel = self.add_weight(
            name="query_kernel",
            shape=(query_shape[-1], self.units),
            initializer=self.kernel_initializer,
        )
        self.key_kernel = self.add_weight(
            name="key_kernel",
            shape=(memory_shape[-1], self.units),
            initializer=self.kernel_initializer,
        )

    def project_memory(self, memory: Tensor) -> Tensor:
        # Also called from outside `__call__`, where Keras casts no variable.
        kernel = ops.cast(self.key_kernel, self.compute_dtype)
        return ops.matmul(ops.cast(memory, self.compute_dtype), kernel)

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        projected_query = ops.matmul(query, self.query_kernel)
        # Scaled before the product, which could overflow float16 otherwise.
        projected_query = projected_query / math.sqrt(self.units)
        return ops.matmul(keys, projected_query[:, :, None])[:, :, 0]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
