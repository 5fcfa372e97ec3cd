"""What every search returns, and the checks of what every search is given."""

import operator
from typing import NamedTuple

from keras import ops

from keras_attn.typing import Tensor

__all__ = ["Hypotheses", "check_id", "num_steps", "pack_hypotheses", "row_limits"]


class Hypotheses(NamedTuple):
    """The `K` hypotheses of each of `B` sentences, best first.

    `T` is the longest length in the batch. Sliced by `lengths`, a result does not
    depend on the other rows of its batch. A sentence with fewer than `K` hypotheses is
    filled up with absent ones: length 0, score -inf, everything else padding.

    Attributes:
        token_ids: `(B, K, T)` int32, the end token included; the padding id beyond
            the length.
        lengths: `(B, K)` int32, the end token included.
        scores: `(B, K)` float32, the sum of log p over the tokens, the end token
            included; not normalised by length.
        token_scores: `(B, K, T)` float32, log p of each token; 0 beyond the length.
        attention: `(B, K, T, S)` float32, the weights of the step that chose each
            token; 0 beyond the length.
        truncated: `(B, K)` bool, True where the length limit forced the end token
            although another token was more probable.
    """

    token_ids: Tensor
    lengths: Tensor
    scores: Tensor
    token_scores: Tensor
    attention: Tensor
    truncated: Tensor


def pack_hypotheses(
    token_ids: Tensor,
    token_scores: Tensor,
    weights: Tensor,
    *,
    lengths: Tensor,
    scores: Tensor,
    truncated: Tensor,
    pad_id: int,
) -> Hypotheses:
    """Pads the records of a search's steps and puts the batch axis first.

    Args:
        token_ids: `(T, B, K)` int32, one row per step; any value beyond the length.
        token_scores: `(T, B, K)` float32, likewise.
        weights: `(T, B, K, S)` float32, likewise.
        lengths: `(B, K)` int32, at most `T`.
        scores: `(B, K)` float32.
        truncated: `(B, K)` bool.
        pad_id: Fills `token_ids` beyond the length.

    Returns:
        `Hypotheses` of the same `T`.
    """
    positions = ops.arange(ops.shape(token_ids)[0], dtype="int32")
    real = positions[:, None, None] < lengths[None]  # (T, B, K)
    return Hypotheses(
        token_ids=ops.transpose(ops.where(real, token_ids, pad_id), (1, 2, 0)),
        lengths=lengths,
        scores=scores,
        token_scores=ops.transpose(ops.where(real, token_scores, 0.0), (1, 2, 0)),
        attention=ops.transpose(ops.where(real[..., None], weights, 0.0), (1, 2, 0, 3)),
        truncated=truncated,
    )


def check_id(name: str, value: Tensor) -> int:
    """Returns a token id as an `int`.

    Args:
        name: Name of the argument, for the message.
        value: Any integer type.

    Raises:
        TypeError: If `value` is not an integer.
        ValueError: If `value` is negative.
    """
    try:
        token_id = operator.index(value)
    except TypeError:
        raise TypeError(
            f"`{name}` must be made of integers. Received: {name}={value!r}."
        ) from None
    if token_id < 0:
        raise ValueError(f"`{name}` must not be negative. Received: {name}={value!r}.")
    return token_id


def row_limits(max_lengths: Tensor, most_steps: Tensor | None = None) -> Tensor:
    """Returns the length limit of each row, `(B,)` int32, at least 1.

    Args:
        max_lengths: `(B,)` integers. A value below 1 counts as 1: raising would fail
            the other rows of the batch, too.
        most_steps: Upper limit of all rows; `None`: no further limit.

    Raises:
        ValueError: If `max_lengths` does not have shape `(B,)`.
    """
    limits = ops.convert_to_tensor(max_lengths)
    if len(limits.shape) != 1:
        raise ValueError(
            "`max_lengths` holds one limit for each row and must have shape (B,). "
            f"Received: max_lengths.shape={tuple(limits.shape)}."
        )
    limits = ops.maximum(ops.cast(limits, "int32"), 1)
    return limits if most_steps is None else ops.minimum(limits, most_steps)


def num_steps(lengths: Tensor, most_steps: Tensor | None = None) -> Tensor:
    """Returns the number of steps of a batch.

    Args:
        lengths: Integers of any shape.
        most_steps: A number known from shapes alone; `None`: the largest length.
    """
    return ops.max(lengths, initial=0) if most_steps is None else most_steps
