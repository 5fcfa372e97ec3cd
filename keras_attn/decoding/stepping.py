"""The loop that every search runs, and the gather that every reordering uses."""

import math
from collections.abc import Callable
from typing import Any

from keras import ops, tree

__all__ = ["gather_along", "run_steps", "write_row"]


def run_steps(
    advance: Callable, carry: Any, *, limit: Any, is_running: Callable
) -> tuple[Any, tuple]:
    """Runs `advance` until nothing is running and keeps a record of every step.

    The first step runs before the loop: only its result tells the source length
    (the width of the weights) and the shapes and dtypes of the decoder's state, which
    a graph loop must know before it starts. Records go into time-major buffers, one
    row a step. (TensorFlow's scatter copies the buffer: memory bandwidth times
    `limit * B * K * S` floats a step, little beside the vocabulary projection.)

    Args:
        advance: `advance(t, carry) -> (carry, records)`; `carry` is a nested
            structure of tensors, `records` a tuple of tensors of constant shape.
        carry: What the first step gets.
        limit: Scalar int32, the most steps that can be needed; taken as at least 1.
        is_running: `is_running(carry) ->` bool tensor; no more steps when none
            of it is True.

    Returns:
        carry: As the last step left it.
        buffers: One `(limit, ...)` tensor for each record; rows of steps that were
            not needed are zeros.
    """
    carry, records = advance(0, carry)
    # Concatenated, not scattered: TensorFlow refuses to scatter into no elements,
    # and a batch of no rows never gets as far as the loop.
    buffers = tuple(
        ops.concatenate(
            [
                record[None],
                ops.zeros(
                    (ops.maximum(limit, 1) - 1, *ops.shape(record)), record.dtype
                ),
            ]
        )
        for record in records
    )

    # Flat, because the backends disagree on which nested structures a loop carries.
    def body(t, leaves, buffers):
        new_carry, records = advance(t, tree.pack_sequence_as(carry, leaves))
        rows = zip(buffers, records, strict=True)
        return (
            t + 1,
            tuple(tree.flatten(new_carry)),
            tuple(write_row(buffer, t, record) for buffer, record in rows),
        )

    _, leaves, buffers = ops.while_loop(
        lambda t, leaves, buffers: ops.any(
            is_running(tree.pack_sequence_as(carry, leaves))
        ),
        body,
        (ops.convert_to_tensor(1, "int32"), tuple(tree.flatten(carry)), buffers),
    )
    return tree.pack_sequence_as(carry, leaves), buffers


def write_row(buffer: Any, row: Any, values: Any) -> Any:
    """Returns `buffer` with `buffer[row] = values`; `row` is a scalar tensor."""
    return ops.scatter_update(buffer, ops.reshape(row, (1, 1)), values[None])


def gather_along(values: Any, indices: Any) -> Any:
    """Picks entries along the last axis of `indices`, within the axes before it.

    Args:
        values: `(*L, N, ...)` of any dtype.
        indices: `(*L, M)` int32 in `[0, N)`.

    Returns:
        `(*L, M, ...)`: `result[l, m] = values[l, indices[l, m]]`.

    Example:
    >>> values = ops.convert_to_tensor([[1, 2, 3], [4, 5, 6]])
    >>> picked = gather_along(values, ops.convert_to_tensor([[2, 0], [1, 1]]))
    >>> ops.convert_to_numpy(picked).tolist()
    [[3, 1], [5, 5]]
    """
    axis = len(indices.shape) - 1
    shape = ops.shape(values)
    leading, width, trailing = shape[:axis], shape[axis], shape[axis + 1 :]
    rows = math.prod(leading)
    offsets = ops.arange(rows, dtype="int32") * width
    picked = ops.take(
        ops.reshape(values, (rows * width, *trailing)),
        indices + ops.reshape(offsets, (*leading, 1)),
        axis=0,
    )
    # Already so, but for JAX, which gives no rows the shape of what they came from.
    return ops.reshape(picked, (*ops.shape(indices), *trailing))
