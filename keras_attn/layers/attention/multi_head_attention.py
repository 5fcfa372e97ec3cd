"""Multi-head attention: several scaled dot products, each with its own weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer
from keras_attn.layers.attention.base import History
from keras_attn.layers.attention.scaled_dot_attention import (
    ScaledDotAttention,
    ScaledDotOptions,
)
from keras_attn.typing import Config, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["MultiHeadDotAttention"]


@keras.saving.register_keras_serializable(package="keras_attn")
class MultiHeadDotAttention(ScaledDotAttention):
    """Attends with several heads, each with its own weights over the memory.

    With `H` heads of width `D = A / H`, and for each head `i`

        e_ij = (W_qi s) . (W_ki h_j) / sqrt(D)
        a_i  = normalise(e_i / temperature)        over real tokens only
        c    = W_o [m_1 ; ... ; m_H],  m_i = sum_j a_ij W_vi h_j

    Since `m_i = W_vi (sum_j a_ij h_j)`, memory rows are averaged first, for `H S M`
    products a step, and only `H` averages are projected, not `S` rows. The dropout of
    memory rows then works as in all align functions.

    Args:
        units: Width `A` of all heads together.
        num_heads: Number of heads `H`; a divisor of `units`.
        kernel_initializer: Initializer of `W_q`, `W_k`, `W_v` and `W_o`.
        **kwargs: `temperature`, `normaliser`, `dropout` and `seed` of `Attention`,
            and what `keras.layers.Layer` takes.

    Call arguments: those of `Attention`.

    Returns:
        context: `(B, M)`; all zeros for a row without any real token.
        weights: `(B, S)` float32, the mean over the heads. It sums to 1 as each
            head's row does, but the context is not the average of the memory with
            these weights.

    Raises:
        ValueError: As `Attention`; or if `units` or `num_heads` is not a positive
            integer, or `num_heads` does not divide `units`.

    Example:

    >>> attend = MultiHeadDotAttention(units=8, num_heads=2)
    >>> context, weights = attend(ops.ones((2, 4)), ops.ones((2, 5, 6)))
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 6), (2, 5))

    Reference: Vaswani et al., 2017, arXiv:1706.03762, section 3.2.2.
    """

    def __init__(
        self, units: int, num_heads: int = 8, **kwargs: Unpack[ScaledDotOptions]
    ) -> None:
        super().__init__(units, **kwargs)
        check_positive_integer(self.name, num_heads=num_heads)
        if units % num_heads:
            raise ValueError(
                "`units` is the width of all heads together and must be divisible by "
                f"`num_heads`. Received: units={units}, num_heads={num_heads} "
                f"(layer {self.name!r})."
            )
        self.num_heads = num_heads
        self.head_units = units // num_heads

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        super().build(query_shape, memory_shape)
        self.value_kernel = self.add_weight(
            name="value_kernel",
            shape=(memory_shape[-1], self.units),
            initializer=self.kernel_initializer,
        )
        self.output_kernel = self.add_weight(
            name="output_kernel",
            shape=(self.units, memory_shape[-1]),
            initializer=self.kernel_initializer,
        )

    def _split_heads(self, tensor):
        """Returns `(..., A)` as `(..., H, D)`."""
        sizes = ops.shape(tensor)[:-1]
        return ops.reshape(tensor, (*sizes, self.num_heads, self.head_units))

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        projected_query = ops.matmul(query, self.query_kernel)
        # Scaled before the product, which could overflow float16 otherwise.
        projected_query = projected_query / math.sqrt(self.head_units)
        return ops.einsum(
            "bhd,bshd->bhs",
            self._split_heads(projected_query),
            self._split_heads(keys),
        )

    def weigh(
        self,
        query: Tensor,
        keys: Tensor,
        memory_mask: Tensor | None,
        history: History | None,
        noise: Tensor | None,
        training: bool | None,
    ) -> Tensor:
        """Returns the weights of every head, `(B, H, S)` float32."""
        if memory_mask is not None:
            memory_mask = memory_mask[:, None, :]
        return super().weigh(query, keys, memory_mask, history, noise, training)

    def average(self, weights: Tensor, memory: Tensor) -> Tensor:
        averages = ops.matmul(ops.cast(weights, memory.dtype), memory)  # (B, H, M)
        kernel = self._split_heads(self.value_kernel)  # (M, H, D)
        heads = ops.einsum("bhm,mhd->bhd", averages, kernel)
        heads = ops.reshape(heads, (ops.shape(heads)[0], self.units))
        return ops.matmul(heads, self.output_kernel)

    def merge_heads(self, weights: Tensor) -> Tensor:
        return ops.mean(weights, axis=1)

    def get_config(self) -> Config:
        return {**super().get_config(), "num_heads": self.num_heads}
