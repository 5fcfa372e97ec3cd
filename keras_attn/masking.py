"""Boolean masks (True = real token) from ids or lengths, and what is read off them."""

from keras import ops

__all__ = ["lengths_from_mask", "mask_from_ids", "mask_from_lengths", "masked_mean"]


def mask_from_ids(ids, pad_id=0):
    """Returns `(B, S)` booleans, True where `ids` `(B, S)` holds a real token.

    Example:

    >>> ops.convert_to_numpy(mask_from_ids(ops.array([[7, 3, 0]]))).tolist()
    [[True, True, False]]
    """
    return ops.not_equal(ids, pad_id)


def mask_from_lengths(lengths, size):
    """Returns `(B, size)` booleans, True for the first `lengths` `(B,)` positions.

    Example:

    >>> ops.convert_to_numpy(mask_from_lengths(ops.array([2, 0]), 3)).tolist()
    [[True, True, False], [False, False, False]]
    """
    return ops.arange(size)[None, :] < ops.cast(lengths, "int32")[:, None]


def lengths_from_mask(mask):
    """Returns `(B,)` int32, the number of real tokens in each row of `mask`.

    Example:

    >>> mask = ops.array([[True, True, False]])
    >>> ops.convert_to_numpy(lengths_from_mask(mask)).tolist()
    [2]
    """
    return ops.sum(ops.cast(mask, "int32"), axis=-1)


def masked_mean(values, mask):
    """Returns the mean of `values` `(B, S, M)` over real tokens, `(B, M)`.

    A row of the batch without any real token gives zeros.

    Example:

    >>> values = ops.array([[[2.0], [4.0], [9.0]]])
    >>> mask = ops.array([[True, True, False]])
    >>> ops.convert_to_numpy(masked_mean(values, mask)).tolist()
    [[3.0]]
    """
    weights = ops.cast(mask, values.dtype)[:, :, None]
    total = ops.sum(values * weights, axis=1)
    return total / ops.maximum(ops.sum(weights, axis=1), 1)
