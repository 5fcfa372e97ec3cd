"""Checks of what a caller passes to a search, before anything runs."""

import operator
from typing import Any

from keras import ops

__all__ = ["LARGEST_PENALTY", "check_id", "row_limits", "row_penalties", "steps_of"]

# What a row may ask for, far more than anyone needs: a hypothesis of twice the length
# gets a 32nd of the score. Beyond it, lengths to this power would leave float32.
LARGEST_PENALTY = 5.0


def check_id(name: str, value: Any) -> int:
    """Returns `value` as an `int`; raises for what cannot be a token id.

    Args:
        name: The argument that `value` came with, for the message.
        value: Any integer type.

    Returns:
        The id.

    Raises:
        TypeError: If `value` is no integer.
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


def row_limits(max_lengths: Any, most_steps: Any = None) -> Any:
    """Returns the length limits as `(B,)` int32, at least 1.

    Args:
        max_lengths: `(B,)` integers. A value below 1 counts as 1 instead of failing,
            since it would fail the other rows of the batch with it.
        most_steps: The most of any row; `None`: no other limit.

    Returns:
        `(B,)` int32.

    Raises:
        ValueError: If `max_lengths` is not one number a row.
    """
    limits = ops.convert_to_tensor(max_lengths)
    if len(limits.shape) != 1:
        raise ValueError(
            "`max_lengths` holds one limit for each row and must have shape (B,). "
            f"Received: max_lengths.shape={tuple(limits.shape)}."
        )
    limits = ops.maximum(ops.cast(limits, "int32"), 1)
    return limits if most_steps is None else ops.minimum(limits, most_steps)


def steps_of(lengths: Any, most_steps: Any = None) -> Any:
    """Returns how many steps a batch has, or has room for.

    Args:
        lengths: Integers, of any shape.
        most_steps: What is known from shapes alone; `None`: the largest length.
    """
    return ops.max(lengths, initial=0) if most_steps is None else most_steps


def row_penalties(length_penalties: Any, default: float) -> Any:
    """Returns length penalties as `(B,)` float32 that any search can use.

    Args:
        length_penalties: `(B,)` floats. Clamped to [0, 5] instead of failing, since one
            row would fail the others of its batch with it.
        default: Takes the place of what is not a number.

    Returns:
        `(B,)` float32.

    Example:

    >>> found = row_penalties(ops.array([-1.0, 0.5, float("inf"), float("nan")]), 1.0)
    >>> [float(penalty) for penalty in found]
    [0.0, 0.5, 5.0, 1.0]
    """
    penalties = ops.cast(ops.convert_to_tensor(length_penalties), "float32")
    clamped = ops.clip(penalties, 0.0, LARGEST_PENALTY)
    return ops.where(ops.isnan(penalties), default, clamped)
