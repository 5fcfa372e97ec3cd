"""The inputs of a request: one value for each text."""

import math
from collections.abc import Sequence

import numpy as np

from keras_attn.translation import utf8

__all__ = ["max_lengths", "penalties", "utf8_column"]

_LONGEST = 2**31 - 1


def utf8_column(texts: Sequence[str]) -> np.ndarray:
    r"""Returns `(B,)` texts as bytes objects.

    Example:

    >>> utf8_column(["Käse"])
    array([b'K\xc3\xa4se'], dtype=object)
    """
    column = np.empty(len(texts), dtype=object)
    column[:] = [utf8(text) for text in texts]
    return column


def max_lengths(value: int | Sequence[int] | None, count: int) -> np.ndarray:
    """Returns the most target tokens of each text.

    Args:
        value: One number, or one for each text; `None`: no limit but the model's own.
        count: Number of texts.

    Returns:
        `(count,)` int32.

    Raises:
        ValueError: If a number is below 1 or no whole number, or their count differs.

    Example:

    >>> max_lengths(20, 2), max_lengths(None, 1)
    (array([20, 20], dtype=int32), array([2147483647], dtype=int32))
    """
    if value is None:
        return np.full(count, _LONGEST, np.int32)
    lengths = _of_each_text("max_length", value, count)
    if not all(isinstance(n, int | np.integer) and 1 <= n <= _LONGEST for n in lengths):
        raise ValueError(
            "`max_length` must be a whole number from 1, or one for each text. "
            f"Received: max_length={value!r}."
        )
    return np.array(lengths, np.int32)


def penalties(value: float | Sequence[float] | None, count: int) -> np.ndarray:
    """Returns the length penalty of each text.

    Args:
        value: One number, or one for each text; `None`: as the model was exported,
            which is asked for by NaN.
        count: Number of texts.

    Returns:
        `(count,)` float32.

    Raises:
        ValueError: If a number is not finite, or their count differs.

    Example:

    >>> penalties([0.5, 1], 2)
    array([0.5, 1. ], dtype=float32)
    """
    if value is None:
        return np.full(count, np.nan, np.float32)
    given = _of_each_text("length_penalty", value, count)
    if not all(
        isinstance(n, int | float | np.number) and math.isfinite(n) for n in given
    ):
        raise ValueError(
            "`length_penalty` must be a finite number, or one for each text. "
            f"Received: length_penalty={value!r}."
        )
    return np.array(given, np.float32)


def _of_each_text(name, value, count):
    values = [value] * count if np.ndim(value) == 0 else list(value)
    if len(values) != count:
        raise ValueError(
            f"`{name}` must be one value, or one for each text. "
            f"Received: {name}={value!r} for texts={count}."
        )
    return values
