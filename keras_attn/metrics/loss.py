"""Cross-entropy over real target tokens, with label smoothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from keras_attn.metrics.weighting import accumulation_dtype, reduce_losses, weigh_tokens
from keras_attn.typing import Config, DType, Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MaskedCrossentropy", "pick", "token_losses", "token_statistics"]


def token_losses(
    labels: Tensor, logits: Tensor, label_smoothing: float = 0.0, dtype: str = "float32"
) -> Tensor:
    """Returns the cross-entropy of each target token, `(B, T)`, in nats.

    With smoothing `e`, the target gives `1 - e` to the right word and spreads `e`
    evenly over the vocabulary:

        loss = (1 - e) * -log p(y) + e * mean_k -log p(k)

    Args:
        labels: `(B, T)` integer ids.
        logits: `(B, T, V)` of any float dtype.
        label_smoothing: `e`, in [0, 1).
        dtype: Float dtype of the computation and the result.

    Reference: Szegedy et al., 2016, arXiv:1512.00567, section 7.
    """
    if keras.backend.backend() == "tensorflow":
        losses, _, _ = token_statistics(labels, logits, label_smoothing, dtype)
        return losses
    logits = ops.cast(logits, dtype)
    labels = ops.cast(labels, "int32")
    losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return _smoothed(losses, logits, pick(logits, labels), label_smoothing)


def token_statistics(
    labels: Tensor,
    logits: Tensor,
    label_smoothing: float = 0.0,
    dtype: str = "float32",
    teacher_logits: Tensor | None = None,
    teacher_weight: float | Tensor = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Computes losses and correctness of target tokens in one pass over the logits.

    With a teacher of weight `w` this is word-level distillation: where `p` and `q` are
    the softmax of the teacher's logits and of `logits`,

        loss = (1 - w) * token_losses + w * KL(p || q)

    Args:
        labels: `(B, T)` integer ids.
        logits: `(B, T, V)` of any float dtype.
        label_smoothing: As in `token_losses`.
        dtype: As in `token_losses`.
        teacher_logits: `(B, T, V)` finite, of any float dtype, which get no gradient;
            `None`: no teacher.
        teacher_weight: `w`, in [0, 1], a number or a scalar tensor.

    Returns:
        Three tensors `(B, T)`: the losses; the cross-entropy of the labels without
        smoothing; 1 where no logit is higher than the label's, else 0. The last two
        have no gradient.

    Reference: Kim and Rush, 2016, arXiv:1606.07947, section 3.1.
    """
    logits = ops.cast(logits, dtype)
    labels = ops.cast(labels, "int32")
    if teacher_logits is not None:
        teacher_logits = ops.stop_gradient(ops.cast(teacher_logits, dtype))
        teacher_weight = ops.cast(teacher_weight, dtype)
    if keras.backend.backend() == "tensorflow":
        losses, unsmoothed, correct = _statistics_with_gradient(
            labels, label_smoothing, teacher_logits, teacher_weight
        )(logits)
    else:
        losses = token_losses(labels, logits, label_smoothing, dtype)
        if teacher_logits is not None:
            log_p = ops.log_softmax(teacher_logits)
            log_q = ops.log_softmax(logits)
            divergence = ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
            losses = losses + teacher_weight * (divergence - losses)
        unsmoothed = token_losses(labels, logits, dtype=dtype)
        correct = pick(logits, labels) >= ops.max(logits, axis=-1)
        correct = ops.cast(correct, dtype)
    return losses, ops.stop_gradient(unsmoothed), ops.stop_gradient(correct)


def _smoothed(losses, logits, label_logits, label_smoothing):
    if not label_smoothing:
        return losses
    # -log p(k) = -log p(y) + logit_y - logit_k: one softmax serves both terms.
    return losses + label_smoothing * (label_logits - ops.mean(logits, axis=-1))


def _statistics_with_gradient(labels, label_smoothing, teacher_logits, teacher_weight):
    """Returns `token_statistics` of logits, with a gradient of the losses by hand.

    Logits are the largest tensor of a training step. TensorFlow's own gradient of the
    formula goes over them many more times, and scatters into all of them to reach one
    in each row.
    """

    @ops.custom_gradient
    def statistics_of(logits):
        size = logits.shape[-1]
        excess = q = ops.softmax(logits)
        highest = ops.max(logits, axis=-1)
        normaliser = _log_sum_exp(highest, q)
        label_logits = pick(logits, labels)
        unsmoothed = normaliser - label_logits
        losses = _smoothed(unsmoothed, logits, label_logits, label_smoothing)
        correct = ops.cast(label_logits >= highest, logits.dtype)
        label_weight = 1.0
        if teacher_logits is not None:
            p = ops.softmax(teacher_logits)
            teacher_normaliser = _log_sum_exp(ops.max(teacher_logits, axis=-1), p)
            # log p - log q is the difference of logits, less that of normalisers.
            divergence = ops.sum(p * (teacher_logits - logits), axis=-1)
            divergence = divergence - teacher_normaliser + normaliser
            losses = losses + teacher_weight * (divergence - losses)
            label_weight = 1.0 - teacher_weight
            # Of `p` and `q` the gradient needs this alone, so that one is kept.
            excess = q - teacher_weight * p

        def gradient(upstream, *unused):
            del unused  # the other two outputs have no gradient
            # Of every token in the smoothed target.
            share = label_weight * (label_smoothing / size)
            gradients = excess - share if label_smoothing else excess
            gradients = gradients * upstream[:, :, None]
            at_labels = pick(excess, labels) - share
            at_labels = (at_labels - label_weight * (1 - label_smoothing)) * upstream
            flat = ops.reshape(labels, (-1,))
            rows = ops.arange(ops.shape(flat)[0], dtype=flat.dtype)
            gradients = ops.scatter_update(
                ops.reshape(gradients, (-1, size)),
                ops.stack([rows, flat], axis=-1),
                ops.reshape(at_labels, (-1,)),
            )
            return ops.reshape(gradients, ops.shape(logits))

        return (losses, unsmoothed, correct), gradient

    return statistics_of


def _log_sum_exp(highest, p):
    """Of logits, from the highest one of a row and the softmax of all.

    No exponential is too small: some probability is 1 / V or more.
    """
    return highest - ops.log(ops.max(p, axis=-1))


def pick(values: Tensor, labels: Tensor) -> Tensor:
    """Gathers the entry of each row at the row's label.

    Args:
        values: `(B, T, V)`.
        labels: `(B, T)` integers in `[0, V)`.

    Returns:
        `(B, T)`.
    """
    labels = ops.cast(labels, "int32")[:, :, None]
    return ops.take_along_axis(values, labels, axis=-1)[:, :, 0]


@keras.saving.register_keras_serializable(package="keras_attn")
class MaskedCrossentropy(keras.losses.Loss):
    """Mean cross-entropy per real target token; padding is left out.

    The mean is over the tokens of the whole batch, so that a long sentence weighs
    as much as its words. With `w_bt` the weight of a token, 0 where it is padding or
    where a mask that Keras carries on labels or logits hides it,

        loss = sum_bt w_bt loss_bt / sum_bt w_bt

    Under a `tf.distribute` strategy the sums are over all replicas: loss and gradient
    are those of one device with the same batch.

    Args:
        label_smoothing: Share of the target spread evenly over the vocabulary.
        pad_id: The label that marks padding.
        reduction: `"mean_with_sample_weight"`: as above. `"mean"` and
            `"sum_over_batch_size"`: divided by the number of real tokens instead, as
            Keras's losses weight samples. `"sum"`: not divided. `"none"` and `None`:
            the weighted loss of each token.
        name: Name of the loss.
        dtype: Float dtype of the result, computed in float32 at least; `None`:
            Keras's `floatx`.

    Call arguments:
        y_true: `(B, T)` labels: integers, or floats where Keras makes them of
            integers.
        y_pred: `(B, T, V)` logits.
        sample_weight: Weights of sentences `(B,)`, or of tokens `(B, T)`; `None`: all
            1.

    Returns:
        A scalar in nats, 0 for a batch whose weights are all 0; `(B, T)` for the
        reduction `"none"`.

    Raises:
        ValueError: If `label_smoothing` is not in [0, 1), or labels, logits and weights
            have other shapes.

    Example:

    >>> loss = MaskedCrossentropy()
    >>> labels = ops.array([[1, 0]])
    >>> round(float(loss(labels, ops.zeros((1, 2, 4)))), 4)  # ln 4
    1.3863
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        pad_id: int = 0,
        reduction: str | None = "mean_with_sample_weight",
        name: str | None = "loss",
        dtype: DType = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "`label_smoothing` is a share in [0, 1). "
                f"Received: label_smoothing={label_smoothing!r}."
            )
        self.label_smoothing = label_smoothing
        self.pad_id = pad_id

    # Not that of `keras.losses.Loss`, which makes floats of ids, takes `(B,)` weights
    # for `(T,)` ones, and averages over the tokens of one replica.
    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        tokens = weigh_tokens(
            y_true,
            y_pred,
            sample_weight,
            pad_id=self.pad_id,
            dtype=accumulation_dtype(self.dtype),
            owner=self.name,
        )
        losses = self.call(tokens.labels, tokens.logits)
        loss = reduce_losses(losses, tokens.weights, tokens.real, self.reduction)
        return ops.cast(loss, self.dtype)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns the loss of each token, `(B, T)`, before weights and reduction."""
        dtype = accumulation_dtype(self.dtype)
        return token_losses(y_true, y_pred, self.label_smoothing, dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "pad_id": self.pad_id,
            "dtype": self.dtype,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        # Version 0.1.0 saved no dtype, and "sum" as the reduction of a mean.
        if "dtype" not in config:
            config = {key: config[key] for key in config if key != "reduction"}
        return cls(**config)
