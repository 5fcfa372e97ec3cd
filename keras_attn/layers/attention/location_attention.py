"""Location-aware attention: additive attention that reads the weights before."""

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

__all__ = ["LocationAttention"]

_FEATURE_CHANNELS = {"previous": 1, "total": 1, "both": 2}  # number of channels


@keras.saving.register_keras_serializable(package="keras_attn")
class LocationAttention(Attention):
    """Compares the query with each memory row and with the weights around it.

    Where memory rows are alike, such as frames of speech or repeated words, their
    content does not tell which is next; the weights `a_{t-1}` of the step before do:

        f_t  = F * a_{t-1}                     a convolution along the source
        e_tj = w . tanh(W s + V h_j + U f_tj + b)

    The convolution keeps the length and reads zeros beyond the ends and at masked
    positions, so padding changes nothing. (It is what Keras calls a convolution: the
    filters are not flipped.) At the first step it reads zeros everywhere.

    Args:
        units: Width `A` of the space where query and memory are compared.
        filters: Number of filters, the width of `f_tj`.
        kernel_size: Odd number of positions that a filter covers.
        features: What the filters read: `"previous"`, the weights of the step before,
            as in the paper; `"total"`, the sum over all steps before; or `"both"`.
        kernel_initializer: Initializer of `W`, `V`, `U` and `F`.
        score_initializer: Initializer of `w`.
        **kwargs: `temperature`, `normaliser`, `dropout` and `seed` of `Attention`,
            and what `keras.layers.Layer` takes.

    Call arguments and returns: those of `Attention`; it reads `history`.

    Raises:
        ValueError: If an argument is out of range, or a tensor has the wrong rank or
            a batch or length that does not fit the others.

    Example:

    >>> attend = LocationAttention(units=8, filters=3, kernel_size=5)
    >>> context, weights = attend(ops.ones((2, 4)), ops.ones((2, 7, 6)))
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 6), (2, 7))

    Reference: Chorowski et al., 2015, arXiv:1506.07503, section 2, equations 8 and 9;
    for the total, Shen et al., 2018 (Tacotron 2), arXiv:1712.05884, section 2.2.
    """

    uses_history = True

    def __init__(
        self,
        units: int,
        filters: int,
        kernel_size: int,
        features: str = "previous",
        kernel_initializer: Initializer = "glorot_uniform",
        score_initializer: Initializer = "glorot_uniform",
        **kwargs: Unpack[AttentionOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(
            self.name, units=units, filters=filters, kernel_size=kernel_size
        )
        if kernel_size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd, so that a filter has a middle. "
                f"Received: kernel_size={kernel_size!r} (layer {self.name!r})."
            )
        if features not in _FEATURE_CHANNELS:
            raise ValueError(
                f"`features` must be one of {', '.join(map(repr, _FEATURE_CHANNELS))}. "
                f"Received: features={features!r} (layer {self.name!r})."
            )
        self.units = units
        self.filters = filters
        self.kernel_size = kernel_size
        self.features = features
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.score_initializer = keras.initializers.get(score_initializer)

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        self._check_build(query_shape, memory_shape)
        channels = _FEATURE_CHANNELS[self.features]
        for name, shape in {
            "query_kernel": (query_shape[-1], self.units),
            "memory_kernel": (memory_shape[-1], self.units),
            "filter_kernel": (self.kernel_size, channels, self.filters),
            "location_kernel": (self.filters, self.units),
        }.items():
            weight = self.add_weight(
                name=name, shape=shape, initializer=self.kernel_initializer
            )
            setattr(self, name, weight)
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer="zeros"
        )
        self.score_kernel = self.add_weight(
            name="score_kernel",
            shape=(self.units, 1),
            initializer=self.score_initializer,
        )

    def project_memory(self, memory: Tensor) -> Tensor:
        # Also called from outside `__call__`, where Keras casts no variable.
        kernel = ops.cast(self.memory_kernel, self.compute_dtype)
        bias = ops.cast(self.bias, self.compute_dtype)
        return ops.matmul(ops.cast(memory, self.compute_dtype), kernel) + bias

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        location = ops.conv(
            self._filter_inputs(history),
            self.filter_kernel,
            padding="same",
            data_format="channels_last",
        )
        # oneDNN's convolution of nothing has the channels of its input.
        location = ops.reshape(location, (*ops.shape(keys)[:2], self.filters))
        projected_query = ops.matmul(query, self.query_kernel)
        projected_location = ops.matmul(location, self.location_kernel)
        energies = ops.tanh(projected_query[:, None, :] + keys + projected_location)
        return times_vector(energies, self.score_kernel)

    def _filter_inputs(self, history):
        """Returns the weights that the filters read, `(B, S, 1)` or `(B, S, 2)`."""
        rows = {
            "previous": [history.previous],
            "total": [history.total],
            "both": [history.previous, history.total],
        }[self.features]
        return ops.cast(ops.stack(rows, axis=-1), self.compute_dtype)

    def get_config(self) -> Config:
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "features": self.features,
            "kernel_initializer": serialize(self.kernel_initializer),
            "score_initializer": serialize(self.score_initializer),
        }
