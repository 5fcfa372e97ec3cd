"""General attention: a bilinear form compares the query with each memory row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.layers.attention.base import Attention, AttentionOptions, History
from keras_attn.typing import Config, Initializer, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GeneralAttention"]


@keras.saving.register_keras_serializable(package="keras_attn")
class GeneralAttention(Attention):
    """Scores memory rows by their product with the query, through one matrix.

        e_j = s^T W h_j

    The matrix maps encoder states into the space of decoder states, so their widths
    may differ. `W h_j`, as wide as the query, is computed once a sentence: a step then
    costs as much as that of `DotAttention`.

    Args:
        kernel_initializer: Initializer of `W`, kept transposed: `(M, Q)`.
        **kwargs: `temperature`, `normaliser`, `dropout` and `seed` of `Attention`,
            and what `keras.layers.Layer` takes.

    Call arguments and returns: those of `Attention`; `keys` are `(B, S, Q)`.

    Raises:
        ValueError: As `Attention`.

    Example:

    >>> attend = GeneralAttention()
    >>> context, weights = attend(ops.ones((2, 4)), ops.ones((2, 5, 6)))
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 6), (2, 5))

    Reference: Luong et al., 2015, arXiv:1508.04025, section 3.1, `score`, "general".
    """

    def __init__(
        self,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Unpack[AttentionOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        super().build(query_shape, memory_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(memory_shape[-1], query_shape[-1]),
            initializer=self.kernel_initializer,
        )

    def project_memory(self, memory: Tensor) -> Tensor:
        # Also called from outside `__call__`, where Keras casts no variable.
        kernel = ops.cast(self.kernel, self.compute_dtype)
        return ops.matmul(ops.cast(memory, self.compute_dtype), kernel)

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        return ops.matmul(keys, query[:, :, None])[:, :, 0]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
