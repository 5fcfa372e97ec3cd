"""Token accuracy and perplexity over real target tokens, as Keras metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import keras
from keras import ops

from keras_attn.metrics.loss import pick, token_losses
from keras_attn.metrics.weighting import accumulation_dtype, weigh_tokens
from keras_attn.typing import Config, DType, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Perplexity", "TokenAccuracy"]


class MetricOptions(TypedDict, total=False):
    """Keyword arguments that metrics pass on to `keras.metrics.Metric`."""

    dtype: DType


class _TokenMean(keras.metrics.Metric):
    """Weighted mean of a per-token value over all tokens since the last reset.

    Weights and masks count as in `MaskedCrossentropy`. The sums are kept in float32 at
    least; the result has the metric's dtype.
    """

    def __init__(
        self, name: str, pad_id: int = 0, **kwargs: Unpack[MetricOptions]
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pad_id = pad_id
        self._sum_dtype = accumulation_dtype(self.dtype)
        self.total = self.add_variable((), "zeros", dtype=self._sum_dtype, name="total")
        self.count = self.add_variable((), "zeros", dtype=self._sum_dtype, name="count")

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Adds the tokens of a batch.

        Args:
            y_true: `(B, T)` labels.
            y_pred: `(B, T, V)` logits.
            sample_weight: `(B,)`, `(B, T)` or `None`.

        Raises:
            ValueError: If labels, logits and weights have other shapes.
        """
        tokens = weigh_tokens(
            y_true,
            y_pred,
            sample_weight,
            pad_id=self.pad_id,
            dtype=self._sum_dtype,
            owner=self.name,
        )
        values = self.values(tokens.labels, tokens.logits)
        self.total.assign_add(ops.sum(values * tokens.weights))
        self.count.assign_add(ops.sum(tokens.weights))

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        raise NotImplementedError

    def mean(self) -> Tensor:
        """Returns the weighted mean so far, 0 before any token."""
        return ops.divide_no_nan(self.total, self.count)

    def result(self) -> Tensor:
        return ops.cast(self.mean(), self.dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "pad_id": self.pad_id}


@keras.saving.register_keras_serializable(package="keras_attn")
class TokenAccuracy(_TokenMean):
    """Share of real target tokens for which no logit is higher than the label's.

    With sample weights it is the share of their weight.

    Args:
        pad_id: The label that marks padding.
        name: Name of the metric.
        **kwargs: Passed to `keras.metrics.Metric`.

    Example:

    >>> accuracy = TokenAccuracy()
    >>> accuracy.update_state(ops.array([[1, 0]]), ops.array([[[0., 9.], [9., 0.]]]))
    >>> float(accuracy.result())
    1.0
    """

    def __init__(
        self,
        name: str = "token_accuracy",
        pad_id: int = 0,
        **kwargs: Unpack[MetricOptions],
    ) -> None:
        super().__init__(name=name, pad_id=pad_id, **kwargs)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        # Not by argmax: on some backends it goes over the logits many times, and the
        # loss needs their maximum anyway.
        correct = pick(y_pred, y_true) >= ops.max(y_pred, axis=-1)
        return ops.cast(correct, self._sum_dtype)


@keras.saving.register_keras_serializable(package="keras_attn")
class Perplexity(_TokenMean):
    """exp of the mean cross-entropy per real target token, without smoothing.

    With sample weights the mean is weighted.

    Args:
        pad_id: The label that marks padding.
        name: Name of the metric.
        **kwargs: Passed to `keras.metrics.Metric`.

    Example:

    >>> perplexity = Perplexity()
    >>> perplexity.update_state(ops.array([[1, 0]]), ops.zeros((1, 2, 4)))
    >>> round(float(perplexity.result()), 4)
    4.0
    """

    def __init__(
        self, name: str = "perplexity", pad_id: int = 0, **kwargs: Unpack[MetricOptions]
    ) -> None:
        super().__init__(name=name, pad_id=pad_id, **kwargs)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return token_losses(y_true, y_pred, dtype=self._sum_dtype)

    def result(self) -> Tensor:
        return ops.cast(ops.exp(self.mean()), self.dtype)
