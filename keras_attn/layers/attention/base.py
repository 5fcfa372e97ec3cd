"""The base of all align functions: from scores to weights to a weighted average."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from keras_attn.deprecation import warn_of_rename
from keras_attn.layers.arguments import check_axes, check_rank, check_rate
from keras_attn.layers.attention.normalisers import get_normaliser
from keras_attn.masking import check_boolean
from keras_attn.typing import (
    Config,
    Initializer,
    LayerOptions,
    Shape,
    Structure,
    Tensor,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Attention",
    "AttentionOptions",
    "History",
    "extend_history",
    "start_history",
]


class History(NamedTuple):
    """The attention weights of the steps so far, for align functions that read them.

    It travels in the decoder's state, so that beam search reorders it with the rest.
    """

    previous: Tensor  # (B, S) float32, the weights of the step before; zeros at first
    total: Tensor  # (B, S) float32, the weights of all steps, summed: the coverage
    # (B,) int32, number of steps: zero weights do not imply the first step
    steps: Tensor


def start_history(memory: Tensor) -> History:
    """Returns the `History` before the first step over a memory `(B, S, M)`."""
    shape = ops.shape(memory)[:2]
    zeros = ops.zeros(shape, dtype="float32")
    return History(zeros, zeros, steps=ops.zeros(shape[:1], dtype="int32"))


def extend_history(history: History, weights: Tensor) -> History:
    """Returns the `History` after a step with the weights `weights` `(B, S)`."""
    # Under a mixed policy, a layer that was given the history has cast it.
    total = ops.cast(history.total, "float32") + weights
    return History(previous=weights, total=total, steps=history.steps + 1)


class AttentionOptions(LayerOptions, total=False):
    """Keyword arguments that align functions pass on to `Attention`."""

    temperature: float
    normaliser: str
    dropout: float
    seed: int | None


class Attention(keras.layers.Layer):
    """Averages memory rows, weighted by how well they match a query.

    With `s` the query and `h_j` row `j` of the memory, every align function of this
    package is the first line of

        e_j = align(s, h_j)
        a   = normalise(e / temperature)       over real tokens only
        c   = sum_j a_j h_j

    A subclass implements that line: `build`, which creates the weights, and `scores`;
    where a part of the scores does not depend on the query, `project_memory` computes
    it once a sentence. An align function that reads the weights of earlier steps sets
    `uses_history = True`. One that does not normalise scores implements `weigh`.

    Args:
        temperature: Positive divisor of the scores. Above 1 the weights are flatter,
            below 1 sharper.
        normaliser: `"softmax"`, or `"sparsemax"`, which gives exact zeros.
        dropout: Rate at which memory rows are left out of the average in training:
            one mask a sentence, the same at every step. The weights returned are
            those before dropout.
        seed: Seed of the dropout.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        query: `(B, Q)`, a decoder state.
        memory: `(B, S, M)` encoder states; padding must be finite.
        memory_mask: `(B, S)` booleans, True for a real token; `None`: the mask that
            Keras carries with `memory`, or without one, all real.
        keys: `(B, S, A)` from `project_memory`; `None`: computed here, and dropout
            applied here. With keys, `memory` is what `drop_rows` returned.
        history: `History` of the steps before; read only if `uses_history`. `None`:
            this is the first step.
        noise: `(B, S)`, one step of `draw_noise`; `None`: no noise.
        training: Whether to apply dropout.

    Returns:
        context: `(B, M)` in the compute dtype.
        weights: `(B, S)` float32 whatever the policy, since a softmax over a long
            source needs more bits than float16 has. Rows sum to 1 where the align
            function does not say otherwise; masked positions are exactly 0; a row
            without any real token is all 0, never NaN.

    Raises:
        ValueError: If an argument is out of range, `memory_mask` is not boolean, or a
            tensor has the wrong rank or a batch or length that does not fit the others.
    """

    uses_history = False

    def __init__(
        self,
        temperature: float = 1.0,
        normaliser: str = "softmax",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        number = isinstance(temperature, int | float)
        if isinstance(temperature, bool) or not number or not temperature > 0:
            raise ValueError(
                "`temperature` divides the scores and must be a positive number. "
                f"Received: temperature={temperature!r} (layer {self.name!r})."
            )
        check_rate(self.name, dropout=dropout)
        self.temperature = temperature
        self.normaliser = normaliser
        self._normalise = get_normaliser(normaliser, self.name)
        self.dropout = dropout
        self.seed = seed
        self.supports_masking = True
        self.row_dropout = None
        if dropout:
            self.row_dropout = keras.layers.Dropout(
                dropout,
                noise_shape=(None, None, 1),
                seed=seed,
                name="row_dropout",
                dtype=self.dtype_policy,
            )

    def add_weight(
        self, *args: Any, initializer: Initializer | None = None, **kwargs: Any
    ) -> keras.Variable:
        """Adds a weight as in Keras, from a copy of the initializer."""
        # An initializer gives the same values at every call: query and memory kernels
        # of equal shapes would start equal.
        if isinstance(initializer, keras.initializers.Initializer):
            initializer = initializer.clone()
        return super().add_weight(*args, initializer=initializer, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "visible_weights" in vars(cls):
            warn_of_rename("visible_weights", "merge_heads")
            cls.merge_heads = cls.visible_weights  # type: ignore[method-assign]

    def build(self, query_shape: Shape, memory_shape: Shape) -> None:
        self._check_build(query_shape, memory_shape)

    def project_memory(self, memory: Tensor) -> Tensor:
        """Returns the part of the scores without the query, `(B, S, A)`."""
        return ops.cast(memory, self.compute_dtype)

    def scores(self, query: Tensor, keys: Tensor, history: History | None) -> Tensor:
        """Returns how well each memory row matches the query, `(B, S)`.

        Args:
            query: `(B, Q)`.
            keys: `(B, S, A)` from `project_memory`.
            history: `History`; may be `None` unless `uses_history`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `scores(query, keys, history)`, "
            "which returns how well each memory row matches the query, (B, S); or "
            "`weigh`, if its weights are not normalised scores."
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
        """Returns the weights `(B, S)` float32, zero where masked.

        Weights of another shape, such as one row a head, need an `average` and a
        `merge_heads` that take them.
        """
        scores = ops.cast(self.scores(query, keys, history), "float32")
        if self.temperature != 1.0:
            scores = scores / self.temperature
        return self._normalise(scores, memory_mask)

    def drop_rows(self, memory: Tensor, training: bool | None = None) -> Tensor:
        """Returns `memory` `(B, S, M)` with the dropped rows set to zero."""
        if self.row_dropout is None:
            return memory
        return self.row_dropout(memory, training=training)

    def draw_noise(self, shape: Shape) -> Tensor | None:
        """Returns the noise `(T, B, S)` of a whole target in training, or `None`.

        Drawn before the loop over steps: on some backends the state of a random
        generator cannot leave a loop.
        """
        return None

    def call(
        self,
        query: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        keys: Tensor | None = None,
        history: History | None = None,
        noise: Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        self._check_fit(query, memory, memory_mask, keys, history, noise)
        if keys is None:
            keys = self.project_memory(memory)
            memory = self.drop_rows(memory, training)
        if history is None and self.uses_history:
            history = start_history(memory)
        weights = self.weigh(query, keys, memory_mask, history, noise, training)
        return self.average(weights, memory), self.merge_heads(weights)

    def average(self, weights: Tensor, memory: Tensor) -> Tensor:
        """Returns the context `(B, M)`: memory rows averaged with `weights`."""
        # (B, 1, S) x (B, S, M): one batched product instead of a broadcast sum.
        context = ops.matmul(ops.cast(weights, memory.dtype)[:, None, :], memory)
        return context[:, 0, :]

    def merge_heads(self, weights: Tensor) -> Tensor:
        """Returns the weights of `weigh` as the caller gets them, `(B, S)` float32."""
        return weights

    def compute_mask(self, inputs: Structure, previous_mask: Structure = None) -> None:
        """Returns `None`: neither the context nor the weights have padding."""
        return None

    def _check_build(self, query_shape, memory_shape):
        check_rank(self.name, 2, "(B, Q)", query=query_shape)
        check_rank(self.name, 3, "(B, S, M)", memory=memory_shape)

    def _check_fit(self, query, memory, memory_mask, keys, history, noise):
        check_boolean("memory_mask", memory_mask, self.name)
        tensors = {
            "query": (query, "BQ"),
            "memory": (memory, "BSM"),
            "memory_mask": (memory_mask, "BS"),
            "keys": (keys, "BSA"),
            "noise": (noise, "BS"),
        }
        if history is not None:
            previous, total, steps = history
            tensors["history.previous"] = (previous, "BS")
            tensors["history.total"] = (total, "BS")
            tensors["history.steps"] = (steps, "B")
        check_axes(self.name, **tensors)

    def compute_output_spec(
        self,
        query: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        keys: Tensor | None = None,
        history: History | None = None,
        noise: Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        self._check_fit(query, memory, memory_mask, keys, history, noise)
        context = (memory.shape[0], memory.shape[2])
        return (
            keras.KerasTensor(context, dtype=self.compute_dtype),
            keras.KerasTensor(memory.shape[:2], dtype="float32"),
        )

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "normaliser": self.normaliser,
            "dropout": self.dropout,
            "seed": self.seed,
        }
