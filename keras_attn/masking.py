"""Boolean masks (True = real token) from ids or lengths, and what is read off them."""

import keras
from keras import ops

from keras_attn.inputs import convert_ids
from keras_attn.typing import Tensor

__all__ = [
    "attach_mask",
    "carried_mask",
    "check_boolean",
    "lengths_from_mask",
    "mask_from_ids",
    "mask_from_lengths",
    "masked_mean",
]


def mask_from_ids(ids: Tensor, pad_id: int = 0) -> Tensor:
    """Returns `(B, S)` booleans, True where `ids` `(B, S)` holds a real token.

    Example:

    >>> ops.convert_to_numpy(mask_from_ids(ops.array([[7, 3, 0]]))).tolist()
    [[True, True, False]]
    """
    ids = convert_ids("ids", ids)
    return ops.not_equal(ids, pad_id)


def mask_from_lengths(lengths: Tensor, size: int) -> Tensor:
    """Returns `(B, size)` booleans, True for the first `lengths` `(B,)` positions.

    Example:

    >>> ops.convert_to_numpy(mask_from_lengths(ops.array([2, 0]), 3)).tolist()
    [[True, True, False], [False, False, False]]
    """
    return ops.arange(size)[None, :] < ops.cast(lengths, "int32")[:, None]


def lengths_from_mask(mask: Tensor) -> Tensor:
    """Returns `(B,)` int32, the number of real tokens in each row of `mask`.

    Example:

    >>> mask = ops.array([[True, True, False]])
    >>> ops.convert_to_numpy(lengths_from_mask(mask)).tolist()
    [2]
    """
    check_boolean("mask", mask)
    return ops.sum(ops.cast(mask, "int32"), axis=-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Returns the mean of `values` `(B, S, M)` over real tokens, `(B, M)`.

    A row of the batch without any real token gives zeros.

    Example:

    >>> values = ops.array([[[2.0], [4.0], [9.0]]])
    >>> mask = ops.array([[True, True, False]])
    >>> ops.convert_to_numpy(masked_mean(values, mask)).tolist()
    [[3.0]]
    """
    check_boolean("mask", mask)
    weights = ops.cast(mask, values.dtype)[:, :, None]
    total = ops.sum(values * weights, axis=1)
    return total / ops.maximum(ops.sum(weights, axis=1), 1)


def check_boolean(
    name: str, mask: Tensor | None, layer_name: str | None = None
) -> None:
    """Raises `ValueError` unless `mask` is a tensor of booleans, or `None`.

    Zeros and large negative numbers, which some libraries add to scores, would be read
    the wrong way round.

    Args:
        name: Argument name, for the error message.
        mask: Tensor or array, or `None`.
        layer_name: Name of the layer, for the error message.
    """
    if mask is None:
        return
    kind = f"type {type(mask).__name__}"
    if hasattr(mask, "dtype"):
        kind = f"dtype {keras.backend.standardize_dtype(mask.dtype)}"
    if kind != "dtype bool":
        layer = "" if layer_name is None else f" (layer {layer_name!r})"
        raise ValueError(
            f"`{name}` must be a tensor of booleans, True for a real token. Received: "
            f"{name} of {kind}{layer}. Of ones and zeros make them by "
            f'`keras.ops.cast({name}, "bool")`, of a mask that is added to scores by '
            f"`{name} == 0`."
        )


class _MaskReader(keras.layers.Layer):
    """Returns the mask that Keras carries with a tensor, or `()`."""

    def __init__(self):
        super().__init__(name="mask_reader", autocast=False)
        self.supports_masking = True

    def call(self, values, mask=None):
        return () if mask is None else mask

    def compute_mask(self, inputs, previous_mask=None):
        return None


class _MaskWriter(keras.layers.Layer):
    """Returns a tensor with the mask that it is called with."""

    def __init__(self):
        super().__init__(name="mask_writer", autocast=False)
        self.supports_masking = True

    def call(self, values, mask=None):
        return values


# Where Keras keeps the mask depends on the backend, and only its layers can ask for it.
_read_mask, _write_mask = _MaskReader(), _MaskWriter()


def carried_mask(tensor: Tensor) -> Tensor | None:
    """Returns the mask that Keras carries with a tensor, or `None`.

    `keras.layers.Embedding(mask_zero=True)` and `keras.layers.Masking` attach one. A
    layer gets it as an argument; this is for what is not called as a layer.

    Example:

    >>> import numpy as np
    >>> rows = keras.layers.Embedding(9, 4, mask_zero=True)(np.array([[7, 3, 0]]))
    >>> ops.convert_to_numpy(carried_mask(rows)).tolist()
    [[True, True, False]]
    """
    if not ops.is_tensor(tensor):  # an array has none, a symbolic tensor an attribute
        return getattr(tensor, "_keras_mask", None)
    mask = _read_mask(tensor)
    return None if isinstance(mask, tuple) else mask


def attach_mask(tensor: Tensor, mask: Tensor | None) -> Tensor:
    """Returns `tensor` with a mask that Keras carries to the layers after it.

    Example:

    >>> rows = attach_mask(ops.ones((1, 2, 4)), ops.array([[True, False]]))
    >>> ops.convert_to_numpy(carried_mask(rows)).tolist()
    [[True, False]]
    """
    return tensor if mask is None else _write_mask(tensor, mask=mask)
