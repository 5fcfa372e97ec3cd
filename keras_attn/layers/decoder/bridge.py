"""The bridge: the decoder's first state from the encoder's summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer, check_rank
from keras_attn.typing import Config, LayerOptions, Shape, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["BRIDGES", "Bridge"]

BRIDGES = ("map", "learned", "copy")


@keras.saving.register_keras_serializable(package="keras_attn")
class Bridge(keras.layers.Layer):
    """Computes the decoder's initial state from a summary of the source.

    For each tensor of the state, by kind:

        s_0 = tanh(W h + b)        "map"
        s_0 = b                    "learned"
        s_0 = h                    "copy"

    with `h` the summary. A learned state is the same for every source: the decoder then
    knows the source by attention alone. `"copy"` has no weights.

    Args:
        state_sizes: Widths of the state tensors, as one flat list: `[Q]` for a GRU,
            `[Q, Q]` for an LSTM.
        kind: `"map"`, `"learned"`, which starts at zeros, or `"copy"`, for which all
            state sizes must be the summary's width `M`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        summary: `(B, M)`, the source as one vector.

    Returns:
        A list of `(B, Q)` tensors in the compute dtype, one for each state size.

    Raises:
        ValueError: If a state size is not a positive integer, `kind` is unknown, or
            the summary's width is not that of the states which copy it.

    Example:

    >>> from keras import ops
    >>> [tuple(state.shape) for state in Bridge([4, 4])(ops.ones((2, 6)))]
    [(2, 4), (2, 4)]

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, appendix A.2.2 (there from
    the backward encoder's last state alone).
    """

    def __init__(
        self,
        state_sizes: Sequence[int],
        kind: str = "map",
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        for size in state_sizes:
            check_positive_integer(self.name, state_sizes=size)
        if kind not in BRIDGES:
            raise ValueError(
                f"`kind` must be one of {', '.join(map(repr, BRIDGES))}. "
                f"Received: kind={kind!r} (layer {self.name!r})."
            )
        self.state_sizes = list(state_sizes)
        self.kind = kind
        self.maps = [
            keras.layers.Dense(
                size, activation="tanh", name=f"map_{index}", dtype=self.dtype_policy
            )
            for index, size in enumerate(self.state_sizes if kind == "map" else [])
        ]
        self.learned_states: list[keras.Variable] = []

    def build(self, summary_shape: Shape) -> None:
        check_rank(self.name, 2, "(B, M)", summary=summary_shape)
        for dense in self.maps:
            dense.build(summary_shape)
        if self.kind == "learned":
            self.learned_states = [
                self.add_weight(
                    name=f"state_{index}", shape=(size,), initializer="zeros"
                )
                for index, size in enumerate(self.state_sizes)
            ]
        if self.kind == "copy" and set(self.state_sizes) != {summary_shape[-1]}:
            raise ValueError(
                "To copy the summary, every state must be as wide as it is. "
                f"Received: state_sizes={self.state_sizes}, summary of shape "
                f"{tuple(summary_shape)} (layer {self.name!r}). Use kind='map'."
            )

    def call(self, summary: Tensor) -> list[Tensor]:
        if self.kind == "map":
            return [dense(summary) for dense in self.maps]
        if self.kind == "copy":
            return [summary for _ in self.state_sizes]
        batch = ops.shape(summary)[0]
        return [
            ops.broadcast_to(ops.cast(state, self.compute_dtype), (batch, size))
            for state, size in zip(self.learned_states, self.state_sizes, strict=True)
        ]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "state_sizes": self.state_sizes,
            "kind": self.kind,
        }
