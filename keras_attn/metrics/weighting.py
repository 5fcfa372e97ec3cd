"""Keras's weighting protocol for target tokens: padding, masks, `sample_weight`."""

from collections.abc import Mapping
from typing import NamedTuple

from keras import ops

from keras_attn.inputs import check_dense, convert_ids, sizes_differ
from keras_attn.masking import carried_mask
from keras_attn.metrics.replicas import replica_share
from keras_attn.typing import Shape, Tensor

__all__ = [
    "WeightedTokens",
    "accumulation_dtype",
    "broadcast_weight",
    "reduce_losses",
    "sample_weight_of_classes",
    "weigh_tokens",
]


def accumulation_dtype(dtype: str) -> str:
    """Returns the dtype in which results of `dtype` are computed: at least float32.

    A sum over the tokens of a batch has more digits than float16 or bfloat16.

    Example:

    >>> accumulation_dtype("bfloat16"), accumulation_dtype("float64")
    ('float32', 'float64')
    """
    return "float64" if dtype == "float64" else "float32"


class WeightedTokens(NamedTuple):
    """Labels and logits, with the weight of each token."""

    labels: Tensor  # (B, T) int32
    logits: Tensor  # (B, T, V) of any float dtype
    # (B, T) floats, 1 for tokens that are neither padding nor masked, else 0
    real: Tensor
    weights: Tensor  # (B, T) floats, `real` times the sample weights


def weigh_tokens(
    y_true: Tensor,
    y_pred: Tensor,
    sample_weight: Tensor | None,
    *,
    pad_id: int,
    dtype: str,
    owner: str,
) -> WeightedTokens:
    """Returns the `WeightedTokens` of what Keras passes to a loss or a metric.

    Args:
        y_true: `(B, T)` labels of any integer dtype, or floats without a fraction.
            A mask that Keras carries on it counts.
        y_pred: `(B, T, V)` logits. A mask that Keras carries on it counts.
        sample_weight: Weights of sentences `(B,)` or `(B, 1)`, or of tokens `(B, T)`;
            `None`: all 1.
        pad_id: The label that marks padding.
        dtype: Float dtype of the weights.
        owner: Name of the loss or metric, for error messages.

    Raises:
        ValueError: If labels, logits and weights do not fit together, or labels are
            booleans. Sizes that are unknown in a traced function pass.
    """
    # Read first: a converted tensor has lost it.
    masks = [carried_mask(y_true), carried_mask(y_pred)]
    check_dense(owner, y_pred=y_pred)
    labels, logits = convert_ids("y_true", y_true, owner), ops.convert_to_tensor(y_pred)
    _check_labels(labels, logits, owner)
    labels = ops.cast(labels, "int32")
    real = ops.cast(ops.not_equal(labels, pad_id), dtype)
    for mask in masks:
        if mask is not None:
            real = real * ops.cast(mask, dtype)
    if sample_weight is None:
        return WeightedTokens(labels, logits, real, real)
    shape = _static_shape(labels) or (None, None)
    weight = broadcast_weight(sample_weight, shape, dtype, owner)
    return WeightedTokens(labels, logits, real, real * weight)


def broadcast_weight(
    sample_weight: Tensor, shape: Shape, dtype: str, owner: str
) -> Tensor:
    """Returns sample weights with a shape that broadcasts to that of the tokens.

    Args:
        sample_weight: As in `weigh_tokens`.
        shape: Static shape of the tokens, `(B, T)`, either of them `None` if unknown.
        dtype: Float dtype of the result.
        owner: As in `weigh_tokens`.

    Raises:
        ValueError: If the weights have another shape.
    """
    check_dense(owner, sample_weight=sample_weight)
    weight = ops.cast(ops.convert_to_tensor(sample_weight), dtype)
    weight_shape = _static_shape(weight)
    if not weight_shape:  # one weight for all, or of unknown rank
        return weight
    rows, *columns = weight_shape
    if (
        len(columns) > 1
        or sizes_differ(rows, shape[0])
        or (columns and columns[0] != 1 and sizes_differ(columns[0], shape[1]))
    ):
        raise ValueError(
            "`sample_weight` must have shape (B,), one weight a sentence, or (B, T), "
            f"one a token. Received: sample_weight of shape {weight_shape}, for tokens "
            f"of shape {shape} (layer {owner!r})."
        )
    return weight if columns else weight[:, None]


def sample_weight_of_classes(
    labels: Tensor, class_weight: Mapping[int, float]
) -> Tensor:
    """Returns the weight of each target token, by its label.

    `class_weight` of `fit` gives each sentence one weight: Keras takes the argmax of
    labels `(B, T)`, as if they were one-hot. `Seq2Seq.fit` calls this function instead;
    other models take its result as `sample_weight`.

    Args:
        labels: `(B, T)` integer ids.
        class_weight: Dict from ids to weights; other ids have weight 1.

    Returns:
        `(B, T)` float32.

    Example:

    >>> weight = sample_weight_of_classes(ops.array([[5, 3, 0]]), {3: 0.5})
    >>> ops.convert_to_numpy(weight).tolist()
    [[1.0, 0.5, 1.0]]
    """
    size = max(class_weight, default=-1) + 1
    table = [float(class_weight.get(label, 1.0)) for label in range(size)]
    table = ops.convert_to_tensor([*table, 1.0], dtype="float32")
    labels = convert_ids("labels", labels)
    return ops.take(table, ops.minimum(labels, size), axis=0)


def reduce_losses(
    losses: Tensor, weights: Tensor, real: Tensor, reduction: str | None
) -> Tensor:
    """Reduces the losses of tokens as `keras.losses.Loss` reduces those of samples.

    Args:
        losses: `(B, T)` floats.
        weights: `(B, T)`, the weight of each token.
        real: `(B, T)`, 1 for tokens that count, else 0.
        reduction: `"mean_with_sample_weight"` divides the sum of weighted losses by
            the sum of weights; `"mean"` and `"sum_over_batch_size"` divide it by the
            number of tokens that count; `"sum"` leaves it; `"none"` and `None` return
            the weighted loss of each token.

    Returns:
        `(B, T)` or a scalar. On one replica among several, a scalar is the share of
        the whole batch's loss that `replica_share` describes.
    """
    losses = losses * weights
    if reduction in (None, "none"):
        return losses
    total = ops.sum(losses)
    if reduction == "sum":
        return replica_share(total)
    divisor = weights if reduction == "mean_with_sample_weight" else real
    return replica_share(total, ops.sum(divisor))


def _static_shape(tensor):
    """Returns the shape, with `None` for unknown sizes; `None` if of unknown rank."""
    try:
        return tuple(tensor.shape)
    except ValueError:
        return None


def _check_labels(labels, logits, owner):
    label_shape, logit_shape = _static_shape(labels), _static_shape(logits)
    shapes_fit = (
        (label_shape is None or len(label_shape) == 2)
        and (logit_shape is None or len(logit_shape) == 3)
        and not any(map(sizes_differ, label_shape or (), logit_shape or ()))
    )
    if not shapes_fit:
        raise ValueError(
            "Labels `y_true` must have shape (B, T), one id a token, and logits "
            "`y_pred` shape (B, T, V), of the same tokens. Received: y_true of shape "
            f"{label_shape}, y_pred of shape {logit_shape} (layer {owner!r}). Squeeze "
            "a last axis of size 1; take the argmax of one-hot labels."
        )
