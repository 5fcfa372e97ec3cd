"""Local attention: a window of memory rows around a predicted position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer
from keras_attn.layers.attention.base import Attention, AttentionOptions, History
from keras_attn.typing import Config, Initializer, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["LocalAttention"]


@keras.saving.register_keras_serializable(package="keras_attn")
class LocalAttention(Attention):
    """Attends to a window of memory rows around a predicted position (local-p).

    For long sources of which each step needs one region. With `L` the number of real
    tokens, whose positions count from 0, and `D` the window:

        p   = L sigmoid(v_p . tanh(W_p s))     the center of the window
        e_j = s . W_a h_j                      for |j - p| <= D
        a_j = softmax_j(e) exp(-(j - p)^2 / (2 (D / 2)^2))

    The softmax is over the window, which always holds a real token of a row that has
    one. The factor favours the center, and through it a gradient reaches `W_p` and
    `v_p`. As in the paper the weights are not normalised again after it.

    Args:
        units: Width of the hidden layer that predicts the position.
        window: `D`, a positive integer; 10 in the paper.
        kernel_initializer: Initializer of `W_a` and `W_p`.
        position_initializer: Initializer of `v_p`.
        **kwargs: `temperature`, `normaliser`, `dropout` and `seed` of `Attention`,
            and what `keras.layers.Layer` takes.

    Call arguments and returns: those of `Attention`, but for one thing: rows of
    weights sum to at most 1, and to more than 0.13 if they have a real token.

    Raises:
        ValueError: If an argument is out of range, or a tensor has the wrong rank or
            a batch or length that does not fit the others.

    Example:

    >>> attend = LocalAttention(units=8, window=2, position_initializer="zeros")
    >>> context, weights = attend(ops.ones((1, 4)), ops.ones((1, 8, 6)))
    >>> (ops.convert_to_numpy(weights) > 0).astype(int).tolist()
    [[0, 0, 1, 1, 1, 1, 1, 0]]

    Reference: Luong et al., 2015, arXiv:1508.04025, section 3.2, equations 9 and 10,
    with the score "general" of section 3.1.
    """

    def __init__(
        self,
        units: int,
        window: int = 10,
        kernel_initializer: Initializer = "glorot_uniform",
        position_initializer: Initializer = "glorot_uniform",
        **kwargs: Unpack[AttentionOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units, window=window)
        self.units = units
        self.window = window
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.position_initializer = keras.initializers.get(position_initializer)

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        self._check_build(query_shape, memory_shape)
        self.memory_kernel = self.add_weight(
            name="memory_kernel",
            shape=(memory_shape[-1], query_shape[-1]),
            initializer=self.kernel_initializer,
        )
        self.position_kernel = self.add_weight(
            name="position_kernel",
            shape=(query_shape[-1], self.units),
            initializer=self.kernel_initializer,
        )
        self.position_vector = self.add_weight(
            name="position_vector",
            shape=(self.units, 1),
            initializer=self.position_initializer,
        )

    def project_memory(self, memory: Tensor) -> Tensor:
        # Also called from outside `__call__`, where Keras casts no variable.
        kernel = ops.cast(self.memory_kernel, self.compute_dtype)
        return ops.matmul(ops.cast(memory, self.compute_dtype), kernel)

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        return ops.matmul(keys, query[:, :, None])[:, :, 0]

    def weigh(
        self,
        query: Tensor,
        keys: Tensor,
        memory_mask: Tensor | None,
        history: History | None,
        noise: Tensor | None,
        training: bool | None,
    ) -> Tensor:
        scores = ops.cast(self.scores(query, keys, history), "float32")
        real = ops.ones_like(scores)
        if memory_mask is not None:
            real = ops.cast(memory_mask, "float32")
        # Counted over real tokens, so that padding moves no token.
        positions = ops.cumsum(real, axis=1) - 1
        length = ops.sum(real, axis=1, keepdims=True)
        distance = positions - length * self._relative_position(query)
        inside = ops.logical_and(real > 0, ops.abs(distance) <= self.window)
        weights = self._normalise(scores / self.temperature, inside)
        return weights * ops.exp(-2 * ops.square(distance / self.window))

    def _relative_position(self, query):
        """Returns the window center divided by the length, `(B, 1)`."""
        hidden = ops.tanh(ops.matmul(query, self.position_kernel))
        logits = ops.matmul(hidden, self.position_vector)
        return ops.sigmoid(ops.cast(logits, "float32"))

    def get_config(self) -> Config:
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "window": self.window,
            "kernel_initializer": serialize(self.kernel_initializer),
            "position_initializer": serialize(self.position_initializer),
        }
