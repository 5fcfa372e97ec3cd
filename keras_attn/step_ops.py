"""Parts of decoder and search steps, in as few operations as possible.

A step for one sentence is bound by the number of its operations, not by arithmetic.
Where `keras.ops` makes several of TensorFlow's out of one - `take` also takes negative
indices, `split` computes sizes, `matmul` of other ranks reshapes - these make one.
Arguments that would need the others are not checked.
"""

import math

import keras
from keras import ops, tree

from keras_attn.typing import Structure, Tensor

__all__ = [
    "add_bias",
    "gather_along",
    "row_max",
    "select_rows",
    "split_at",
    "take_rows",
    "times_vector",
    "write_row",
]


def _tensorflow():
    """Returns TensorFlow if it is Keras's backend, else `None`."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf


def take_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Returns `values[rows]`, of the shape of `rows` and then that of a row.

    Args:
        values: `(N, ...)` of any dtype.
        rows: Integers in `[0, N)`.

    Example:

    >>> rows = take_rows(ops.array([[1, 2], [3, 4]]), ops.array([1, 1, 0]))
    >>> ops.convert_to_numpy(rows).tolist()
    [[3, 4], [3, 4], [1, 2]]
    """
    tf = _tensorflow()
    return ops.take(values, rows, axis=0) if tf is None else tf.gather(values, rows)


def select_rows(structure: Structure, rows: Tensor) -> Structure:
    """Returns some rows of every tensor of a structure.

    Args:
        structure: Nested tensors with the same first axis, and `None`.
        rows: `(n,)` int32.
    """
    return tree.map_structure(
        lambda leaf: None if leaf is None else take_rows(leaf, rows), structure
    )


def gather_along(values: Tensor, indices: Tensor) -> Tensor:
    """Gathers entries along the last axis of `indices`, for each index before it.

    Args:
        values: `(*L, N, ...)` of any dtype.
        indices: `(*L, M)` int32 in `[0, N)`.

    Returns:
        `(*L, M, ...)`: `result[l, m] = values[l, indices[l, m]]`.

    Example:

    >>> values = ops.convert_to_tensor([[1, 2, 3], [4, 5, 6]])
    >>> entries = gather_along(values, ops.convert_to_tensor([[2, 0], [1, 1]]))
    >>> ops.convert_to_numpy(entries).tolist()
    [[3, 1], [5, 5]]
    """
    axis = len(indices.shape) - 1
    tf = _tensorflow()
    if tf is not None:
        return tf.gather(values, indices, batch_dims=axis)
    shape = ops.shape(values)
    leading, width, trailing = shape[:axis], shape[axis], shape[axis + 1 :]
    rows = math.prod(leading)
    offsets = ops.arange(rows, dtype="int32") * width
    entries = ops.take(
        ops.reshape(values, (rows * width, *trailing)),
        indices + ops.reshape(offsets, (*leading, 1)),
        axis=0,
    )
    # Needed on JAX only, where an empty batch keeps the shape of `values`.
    return ops.reshape(entries, (*ops.shape(indices), *trailing))


def write_row(buffer: Tensor, row: Tensor, values: Tensor) -> Tensor:
    """Returns `buffer` with `buffer[row] = values`; `row` is a scalar tensor."""
    return ops.scatter_update(
        buffer, ops.reshape(row, (1, 1)), ops.expand_dims(values, 0)
    )


def row_max(values: Tensor) -> Tensor:
    """Returns the largest number of each row, `(..., 1)`; -inf of an empty one."""
    tf = _tensorflow()
    if tf is None:
        # `initial`: without it an empty batch is refused.
        return ops.max(values, axis=-1, keepdims=True, initial=float("-inf"))
    return tf.reduce_max(values, axis=-1, keepdims=True)


def add_bias(values: Tensor, bias: Tensor) -> Tensor:
    """Returns `(B, N)` with `(N,)` added to each row.

    TensorFlow joins a product and this into one operation.

    Example:

    >>> ops.convert_to_numpy(add_bias(ops.ones((1, 2)), ops.array([1.0, 2.0]))).tolist()
    [[2.0, 3.0]]
    """
    tf = _tensorflow()
    return values + bias if tf is None else tf.nn.bias_add(values, bias)


def split_at(values: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Returns the first `width` numbers of each row, and the others.

    Example:

    >>> first, others = split_at(ops.array([[1, 2, 3]]), 2)
    >>> ops.convert_to_numpy(first).tolist(), ops.convert_to_numpy(others).tolist()
    ([[1, 2]], [[3]])
    """
    tf = _tensorflow()
    if tf is None:
        first, others = ops.split(values, [width], axis=-1)
    else:
        first, others = tf.split(values, [width, values.shape[-1] - width], axis=-1)
    return first, others


def times_vector(values: Tensor, vector: Tensor) -> Tensor:
    """Returns the product of `(B, S, A)` and a column `(A, 1)`, of shape `(B, S)`.

    Example:

    >>> product = times_vector(ops.ones((1, 2, 3)), ops.ones((3, 1)))
    >>> ops.convert_to_numpy(product).tolist()
    [[3.0, 3.0]]
    """
    tf = _tensorflow()
    if tf is None:
        return ops.matmul(values, vector)[:, :, 0]
    flat = tf.matmul(tf.reshape(values, [-1, values.shape[-1]]), vector)
    return tf.reshape(flat, tf.shape(values)[:-1])
