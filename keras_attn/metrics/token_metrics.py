"""Token accuracy and perplexity over real target tokens, as Keras metrics."""

import keras
from keras import ops

from keras_attn.metrics.loss import pick, token_losses

__all__ = ["Perplexity", "TokenAccuracy"]


class _TokenMean(keras.metrics.Metric):
    """Mean of a per-token value over all real tokens seen since the last reset."""

    def __init__(self, name, pad_id=0, **kwargs):
        super().__init__(name=name, **kwargs)
        self.pad_id = pad_id
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        real = ops.cast(ops.not_equal(y_true, self.pad_id), "float32")
        values = self.values(y_true, y_pred)
        self.total.assign_add(ops.sum(values * real))
        self.count.assign_add(ops.sum(real))

    def values(self, y_true, y_pred):
        raise NotImplementedError

    def result(self):
        return self.total / ops.maximum(self.count, 1)

    def get_config(self):
        return {**super().get_config(), "pad_id": self.pad_id}


@keras.saving.register_keras_serializable(package="keras_attn")
class TokenAccuracy(_TokenMean):
    """Share of real target tokens for which no logit is higher than the label's.

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

    def __init__(self, name="token_accuracy", pad_id=0, **kwargs):
        super().__init__(name=name, pad_id=pad_id, **kwargs)

    def values(self, y_true, y_pred):
        # Not by argmax: on some backends it goes over the logits many times, and the
        # loss needs their maximum anyway.
        correct = pick(y_pred, y_true) >= ops.max(y_pred, axis=-1)
        return ops.cast(correct, "float32")


@keras.saving.register_keras_serializable(package="keras_attn")
class Perplexity(_TokenMean):
    """exp of the mean cross-entropy per real target token, without smoothing.

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

    def __init__(self, name="perplexity", pad_id=0, **kwargs):
        super().__init__(name=name, pad_id=pad_id, **kwargs)

    def values(self, y_true, y_pred):
        return token_losses(y_true, y_pred)

    def result(self):
        return ops.exp(super().result())
