"""The pyramidal encoder: each layer shortens the sequence of the one below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.layers.arguments import (
    check_axes,
    check_positive_integer,
    check_rank,
    check_rate,
)
from keras_attn.layers.encoder.bidirectional import (
    create_bidirectional,
    get_summary,
    run_bidirectional,
)
from keras_attn.masking import attach_mask, carried_mask, check_boolean
from keras_attn.typing import Config, LayerOptions, Shape, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["PyramidalEncoder"]


@keras.saving.register_keras_serializable(package="keras_attn")
class PyramidalEncoder(keras.layers.Layer):
    """Runs bidirectional RNNs over a long sequence of features and shortens it.

    A second of speech is a hundred frames, but only a few letters: attention over
    frames is slow and hard to learn. So neighbouring states are concatenated before the
    next layer reads them:

        h^1   = [forward(x) ; backward(x)]
        z_j^l = [h_{rj}^{l-1} ; h_{rj+1}^{l-1} ; ... ; h_{rj+r-1}^{l-1}]
        h^l   = [forward(z^l) ; backward(z^l)]

    with `r` the factor and `j` from 0. `S` positions become

        S' = S / factor ** (layers - 1)        rounded up

    The last group is padded with zeros where `factor` does not divide the length.

    Args:
        units: Width of each direction; `M = 2 * units`.
        layers: Number of bidirectional layers; one does not shorten the sequence. The
            paper has four, which makes 8 frames a position.
        factor: Number of neighbouring states that are concatenated between two layers.
        cell: `"lstm"` as in the paper, `"gru"` or `"simple_rnn"`.
        layer_norm: Whether the cells are layer-normalised.
        dropout: Dropout rate of each layer's output in training; features are not
            dropped.
        recurrent_dropout: Dropout rate of the cells' states in training: one mask a
            sequence.
        summary: `"last"`, each direction's state in the top layer after its last
            position, or `"mean"`, the mean of the memory over real positions.
        seed: Seed of the dropout.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        features: `(B, S, F)` floats, such as speech frames. Padding is on the right
            and finite: elsewhere it would change which neighbours are concatenated.
        features_mask: `(B, S)` booleans, True for a real position; `None`: the mask
            that Keras carries with `features`, or without one, all real.
        training: Whether to apply dropout.

    Returns:
        memory: `(B, S', M)` in the compute dtype; zeros where `memory_mask` is False.
            Keras carries that mask with it.
        summary: `(B, M)`, computed before dropout; zeros for a row without any real
            position.
        memory_mask: `(B, S')` booleans: a position is real if any of the positions
            concatenated in it is.

    Raises:
        ValueError: If an argument is out of range, `cell` or `summary` is unknown,
            or `features` or `features_mask` has the wrong dtype or shape.

    Example:

    >>> encode = PyramidalEncoder(units=4, layers=3)
    >>> memory, summary, memory_mask = encode(ops.ones((2, 10, 5)))
    >>> tuple(memory.shape), tuple(summary.shape), tuple(memory_mask.shape)
    ((2, 3, 8), (2, 8), (2, 3))

    Reference: Chan et al., 2016, arXiv:1508.01211, section 3.1.
    """

    def __init__(
        self,
        units: int,
        layers: int,
        factor: int = 2,
        cell: str = "lstm",
        layer_norm: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        summary: str = "last",
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units, layers=layers, factor=factor)
        check_rate(self.name, dropout=dropout, recurrent_dropout=recurrent_dropout)
        self.units = units
        self.factor = factor
        self.cell_name = cell
        self.layer_norm = layer_norm
        self.recurrent_dropout = recurrent_dropout
        self.summary_kind = summary
        self.summarize = get_summary(summary, self.name)
        self.seed = seed
        self.supports_masking = True
        policy = self.dtype_policy
        self.rnns = [
            create_bidirectional(
                cell,
                units,
                layer=layer,
                layer_norm=layer_norm,
                recurrent_dropout=recurrent_dropout,
                seed=seed,
                dtype=policy,
            )
            for layer in range(layers)
        ]
        self.dropout = keras.layers.Dropout(
            dropout, seed=seed, name="dropout", dtype=policy
        )

    def build(self, features_shape: Shape) -> None:
        check_rank(self.name, 3, "(B, S, F)", features=features_shape)
        width = features_shape[2]
        for rnn in self.rnns:
            rnn.build((features_shape[0], None, width))
            width = 2 * self.units * self.factor

    def call(
        self,
        features: Tensor,
        features_mask: Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        if features_mask is None:
            features_mask = carried_mask(features)
        check_boolean("features_mask", features_mask, self.name)
        check_axes(
            self.name, features=(features, "BSF"), features_mask=(features_mask, "BS")
        )
        states, mask = features, features_mask
        for layer, rnn in enumerate(self.rnns):
            if layer:
                states = _concatenate_neighbours(
                    self.dropout(states, training=training), self.factor
                )
                mask = _shorten_mask(mask, self.factor)
            states, last = run_bidirectional(rnn, states, mask, training)
        summary = self.summarize(states, last, mask)
        memory = attach_mask(self.dropout(states, training=training), mask)
        if mask is None:
            mask = ops.ones(ops.shape(states)[:2], dtype="bool")
        return memory, summary, mask

    def compute_mask(
        self, inputs: Structure, previous_mask: Structure = None
    ) -> tuple[Structure, None, None]:
        """Returns the masks of memory, summary and memory mask."""
        for _ in self.rnns[1:]:
            previous_mask = _shorten_mask(previous_mask, self.factor)
        return previous_mask, None, None

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "layers": len(self.rnns),
            "factor": self.factor,
            "cell": self.cell_name,
            "layer_norm": self.layer_norm,
            "dropout": self.dropout.rate,
            "recurrent_dropout": self.recurrent_dropout,
            "summary": self.summary_kind,
            "seed": self.seed,
        }


def _concatenate_neighbours(states, factor):
    """Returns `(B, S, M)` as `(B, S', factor * M)`."""
    batch, length, width = ops.shape(states)
    groups = (length + factor - 1) // factor
    # Padded by the most zeros that may be needed, then cut to whole groups: their
    # number is only known at run time.
    states = ops.pad(states, [(0, 0), (0, factor - 1), (0, 0)])
    states = states[:, : groups * factor]
    return ops.reshape(states, (batch, groups, factor * width))


def _shorten_mask(mask, factor):
    """Returns `(B, S)` as `(B, S')`: whether any of the neighbours is real."""
    if mask is None:
        return None
    # Without sizes, which a symbolic mask has not. Slice k holds neighbour k of every
    # group, after the same padding as that of the states.
    padded = ops.pad(ops.cast(mask, "int32"), [(0, 0), (0, factor - 1)])
    neighbours = (padded[:, k : k + 1 - factor or None : factor] for k in range(factor))
    return sum(neighbours) > 0
