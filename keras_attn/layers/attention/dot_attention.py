"""Dot attention: the query is compared with the memory rows as they are."""

import keras
from keras import ops

from keras_attn.layers.attention.base import Attention, History
from keras_attn.typing import Shape, Tensor

__all__ = ["DotAttention"]


@keras.saving.register_keras_serializable(package="keras_attn")
class DotAttention(Attention):
    """Scores memory rows by their product with the query.

        e_j = s . h_j

    The layer has no weights: encoder and decoder states must have the same width, and
    are trained to be comparable.

    Args:
        **kwargs: `temperature`, `normaliser`, `dropout` and `seed` of `Attention`,
            and what `keras.layers.Layer` takes.

    Call arguments and returns: those of `Attention`, with `Q == M`.

    Raises:
        ValueError: As `Attention`; or if query and memory differ in width.

    Example:

    >>> attend = DotAttention()
    >>> context, weights = attend(ops.ones((2, 6)), ops.ones((2, 5, 6)))
    >>> tuple(context.shape), tuple(weights.shape), len(attend.weights)
    ((2, 6), (2, 5), 0)

    Reference: Luong et al., 2015, arXiv:1508.04025, section 3.1, `score`, "dot".
    """

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        super().build(query_shape, memory_shape)
        if query_shape[-1] != memory_shape[-1]:
            raise ValueError(
                "`query` (B, Q) and `memory` (B, S, M) must be equally wide, since "
                f"their product is the score. Received: Q={query_shape[-1]}, "
                f"M={memory_shape[-1]} (layer {self.name!r}). `GeneralAttention` "
                "compares different widths."
            )

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        return ops.matmul(keys, query[:, :, None])[:, :, 0]
