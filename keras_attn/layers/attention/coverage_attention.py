"""Coverage attention: additive attention that also reads past attention."""

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

__all__ = ["CoverageAttention"]

# A fertility of 0 would make the coverage infinite. With this the divisor stays above
# 0.0003 N, and the coverage within the range of float16.
_MIN_FERTILITY_LOGIT = -8.0


@keras.saving.register_keras_serializable(package="keras_attn")
class CoverageAttention(Attention):
    """Compares the query with each memory row and with the attention it got so far.

    Without knowing what was translated already, a translator repeats and omits words.
    The coverage of a source word sums its attention over the steps so far, divided by
    its fertility:

        C_tj  = C_{t-1,j} + a_tj / phi_j       C_0j = 0
        e_tj  = v . tanh(W s + U h_j + k C_{t-1,j})

    The fertility `phi_j` is the number of target words that translate the source word:
    1, or with `max_fertility` = N

        phi_j = N sigmoid(u_f . h_j)

    Args:
        units: Width `A` of the space where query and memory are compared.
        max_fertility: `N`, the largest fertility; `None`: every fertility is 1.
        kernel_initializer: Initializer of `W`, `U`, `k` and `u_f`.
        score_initializer: Initializer of `v`.
        **kwargs: `temperature`, `normaliser`, `dropout` and `seed` of `Attention`,
            and what `keras.layers.Layer` takes.

    Call arguments and returns: those of `Attention`; it reads `history`. With
    `max_fertility` the keys have one more column, `u_f . h_j`.

    Raises:
        ValueError: If an argument is out of range, or a tensor has the wrong rank or
            a batch or length that does not fit the others.

    Example:

    >>> attend = CoverageAttention(units=8, max_fertility=2)
    >>> context, weights = attend(ops.ones((2, 4)), ops.ones((2, 5, 6)))
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 6), (2, 5))

    Reference: Tu et al., 2016, arXiv:1601.04811, section 3, the linguistic coverage
    model.
    """

    uses_history = True

    def __init__(
        self,
        units: int,
        max_fertility: float | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        score_initializer: Initializer = "glorot_uniform",
        **kwargs: Unpack[AttentionOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units)
        if max_fertility is not None:
            number = isinstance(max_fertility, int | float)
            if isinstance(max_fertility, bool) or not number or not max_fertility > 0:
                raise ValueError(
                    "`max_fertility` must be a positive number, or `None` for a "
                    "fertility of 1. Received: "
                    f"max_fertility={max_fertility!r} (layer {self.name!r})."
                )
        self.units = units
        self.max_fertility = max_fertility
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.score_initializer = keras.initializers.get(score_initializer)

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        self._check_build(query_shape, memory_shape)
        shapes = {
            "query_kernel": (query_shape[-1], self.units),
            "memory_kernel": (memory_shape[-1], self.units),
            "coverage_kernel": (1, self.units),
        }
        if self.max_fertility is not None:
            shapes["fertility_kernel"] = (memory_shape[-1], 1)
        for name, shape in shapes.items():
            weight = self.add_weight(
                name=name, shape=shape, initializer=self.kernel_initializer
            )
            setattr(self, name, weight)
        self.score_kernel = self.add_weight(
            name="score_kernel",
            shape=(self.units, 1),
            initializer=self.score_initializer,
        )

    def project_memory(self, memory: Tensor) -> Tensor:
        # Also called from outside `__call__`, where Keras casts no variable.
        kernel = ops.cast(self.memory_kernel, self.compute_dtype)
        if self.max_fertility is not None:
            column = ops.cast(self.fertility_kernel, self.compute_dtype)
            kernel = ops.concatenate([kernel, column], axis=-1)
        return ops.matmul(ops.cast(memory, self.compute_dtype), kernel)

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        coverage = ops.cast(self._coverage(keys, history), self.compute_dtype)
        projected_query = ops.matmul(query, self.query_kernel)
        energies = ops.tanh(
            projected_query[:, None, :]
            + keys[:, :, : self.units]
            + coverage[:, :, None] * self.coverage_kernel
        )  # (B, S, A)
        return times_vector(energies, self.score_kernel)

    def _coverage(self, keys, history):
        """Returns `C` before this step, `(B, S)` float32."""
        total = ops.cast(history.total, "float32")
        if self.max_fertility is None:
            return total
        logits = ops.cast(keys[:, :, self.units], "float32")
        share = ops.sigmoid(ops.maximum(logits, _MIN_FERTILITY_LOGIT))
        return total / (self.max_fertility * share)

    def get_config(self) -> Config:
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "max_fertility": self.max_fertility,
            "kernel_initializer": serialize(self.kernel_initializer),
            "score_initializer": serialize(self.score_initializer),
        }
