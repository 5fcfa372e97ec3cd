"""The readout: features of the next word from state, context and previous word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer, check_rate
from keras_attn.typing import Config, LayerOptions, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Readout"]


@keras.saving.register_keras_serializable(package="keras_attn")
class Readout(keras.layers.Layer):
    """Combines state, context and previous word into features of the next word.

        r_t = tanh(U [s_t ; c_t ; x'_t] + b)

    with the new state `s_t`, its context `c_t`, and the
    embedding `x'_t` of the previous target word. Context and previous word have a
    short path to the output, so that the state need not carry them.

    Args:
        units: Width of the features.
        dropout: Dropout rate of the features in training.
        seed: Seed of the dropout.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        state: `(..., Q)`; for whole targets `(B, T, Q)`, for a step `(B, Q)`.
        context: `(..., M)`.
        previous: `(..., E)`, embedding of the previous target word.
        training: Whether to apply dropout.

    Returns:
        `(..., units)` in the compute dtype.

    Raises:
        ValueError: If `units` or `dropout` is out of range.

    Example:

    >>> readout = Readout(units=8)
    >>> features = readout(ops.ones((2, 4)), ops.ones((2, 6)), ops.ones((2, 3)))
    >>> tuple(features.shape)
    (2, 8)

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, appendix A.2.2 (there with a
    maxout unit and the previous state).
    """

    def __init__(
        self,
        units: int,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units)
        check_rate(self.name, dropout=dropout)
        self.units = units
        self.seed = seed
        self.supports_masking = True
        policy = self.dtype_policy
        self.mix = keras.layers.Dense(
            units, activation="tanh", name="mix", dtype=policy
        )
        self.dropout = keras.layers.Dropout(
            dropout, seed=seed, name="dropout", dtype=policy
        )

    def build(
        self, state_shape: Shape, context_shape: Shape, previous_shape: Shape
    ) -> None:
        width = state_shape[-1] + context_shape[-1] + previous_shape[-1]
        self.mix.build((*state_shape[:-1], width))

    def call(
        self,
        state: Tensor,
        context: Tensor,
        previous: Tensor,
        training: bool | None = None,
    ) -> Tensor:
        features = self.mix(ops.concatenate([state, context, previous], axis=-1))
        return self.dropout(features, training=training)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "dropout": self.dropout.rate,
            "seed": self.seed,
        }
