"""The loop that every search runs, and the gather that every reordering uses."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops, tree

__all__ = ["Rows", "gather_along", "pick_rows", "run_steps", "write_row"]


class Rows(NamedTuple):
    """Which places of a search the decoder computes: one row for each that is open.

    A search has `P` places, one for each beam of each sentence, and keeps its books
    for all of them. A decoder step costs far more, and is taken for `n` rows only.
    """

    places: Any  # (n,) int32, the place that each row is computed for
    slots: Any  # (P,) int32 in [0, n), the row of each place; any, if it has none

    def pick(self, values: Any) -> Any:
        """Returns the rows `(n, ...)` of what is known of every place, `(P, ...)`."""
        return ops.take(values, self.places, axis=0)

    def spread(self, values: Any) -> Any:
        """Returns rows as `(P, ...)`; a place without a row gets that of another."""
        return ops.take(values, self.slots, axis=0)


class _Inputs(NamedTuple):
    """What the decoder step reads beside the tokens, one row for each that it takes."""

    state: Any
    memory: Any


def run_steps(
    step: Callable,
    state: Any,
    memory: Any,
    advance: Callable,
    carry: Any,
    *,
    is_open: Callable,
    limit: Any,
    width: int = 1,
    compact: bool = True,
) -> tuple[Any, tuple]:
    """Takes decoder steps while a place is open, and keeps a record of every step.

    Places that have closed leave the decoder's batch as soon as an eighth of it has:
    copying what the others need costs about as much as one step.

    The first step is taken before the loop, for one place of each sentence: only its
    result tells the source length (the width of the weights) and the shapes and dtypes
    of the decoder's state, which a graph loop must know before it starts. Records go
    into time-major buffers, one row a step. (TensorFlow's scatter copies the buffer:
    memory bandwidth times `limit * P * S` floats a step, little beside the vocabulary
    projection.)

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)`.
        state: Nested structure of tensors with first axis `B`, before the first step.
        memory: Likewise; leaves may be `None`.
        advance: `advance(t, carry, rows, logits, weights) -> (carry, parents,
            records)`: what follows from a step. `carry` is a nested structure of
            tensors of constant shape, whose `token_ids` are `P` in all; `rows` are
            the `Rows` of `logits` `(n, V)` and `weights` `(n, S)`; `parents` `(P,)`
            int32 says whose state each place goes on with, `None`: its own; `records`
            is a tuple of tensors of constant shape.
        carry: Before the first step.
        is_open: `is_open(carry) ->` `(P,)` bool: which places need a next step. A
            place that has closed stays so.
        limit: Scalar int32, the most steps that can be needed; taken as at least 1.
        width: Places of each sentence, `P = B * width`. The first step is taken for
            the first of them.
        compact: Whether places may leave the decoder's batch. On JAX, and where XLA
            compiles the search, they cannot: there a loop cannot change a shape.

    Returns:
        carry: As the last step left it.
        buffers: One `(limit, ...)` tensor for each record; rows of steps that were
            not needed are zeros.
    """
    compact = compact and keras.backend.backend() != "jax"
    loop = _Loop(step, advance, is_open)
    places = ops.arange(ops.shape(is_open(carry))[0], dtype="int32")
    first = Rows(places[::width], places // width)
    inputs, parents, carry, records = loop.take_step(
        0, first, _Inputs(state, memory), carry
    )
    parents = places if parents is None else parents
    rows = _rows_of(is_open(carry)) if compact else Rows(places, places)
    # The memory, too: sentences have as many rows now as open places.
    inputs = pick_rows(inputs, ops.take(first.slots, rows.pick(parents)))
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
    start = (ops.convert_to_tensor(1, "int32"), rows, inputs, carry, buffers)
    _, _, _, carry, buffers = loop.run(start, compact)
    return carry, buffers


class _Loop:
    """The two loops of `run_steps`: over batches that shrink, and over steps."""

    def __init__(self, step, advance, is_open):
        self.step = step
        self.advance = advance
        self.is_open = is_open

    def run(self, start, compact):
        """Steps until no place is open."""
        if not compact:
            return self._steps(start, enough=0)

        def one_size(t, rows, inputs, carry, buffers):
            count = ops.shape(rows.places)[0]
            enough = count - ops.maximum(count // 8, 1)
            t, rows, inputs, carry, buffers = self._steps(
                (t, rows, inputs, carry, buffers), enough
            )
            kept = _rows_of(self.is_open(carry))
            inputs = pick_rows(inputs, kept.pick(rows.slots))
            return t, kept, inputs, carry, buffers

        return _while_loop(
            lambda t, rows, inputs, carry, buffers: ops.any(self.is_open(carry)),
            one_size,
            start,
        )

    def _steps(self, start, enough):
        """Steps while more places than `enough` are open."""

        def body(t, rows, inputs, carry, buffers):
            inputs, parents, carry, records = self.take_step(t, rows, inputs, carry)
            if parents is not None:
                follow = ops.take(rows.slots, rows.pick(parents))
                inputs = inputs._replace(state=pick_rows(inputs.state, follow))
            pairs = zip(buffers, records, strict=True)
            buffers = tuple(write_row(buffer, t, record) for buffer, record in pairs)
            return t + 1, rows, inputs, carry, buffers

        def more_are_open(t, rows, inputs, carry, buffers):
            return ops.sum(ops.cast(self.is_open(carry), "int32")) > enough

        return _while_loop(more_are_open, body, start)

    def take_step(self, t, rows, inputs, carry):
        """Takes one step of the decoder and of the search."""
        token_ids = rows.pick(ops.reshape(carry.token_ids, (-1,)))
        logits, state, weights = self.step(token_ids, *inputs)
        carry, parents, records = self.advance(t, carry, rows, logits, weights)
        return inputs._replace(state=state), parents, carry, records


def _rows_of(places_are_open):
    """Returns the rows of places `(P,)` that are open."""
    (places,) = ops.nonzero(places_are_open)
    slots = ops.cumsum(ops.cast(places_are_open, "int32")) - 1
    return Rows(ops.cast(places, "int32"), ops.maximum(slots, 0))


def _while_loop(condition, body, start):
    """As `ops.while_loop`, of any structures, also with `None` in them."""

    def flat(structure):
        return tuple(leaf for leaf in tree.flatten(structure) if leaf is not None)

    def packed(leaves):
        leaves = iter(leaves)
        every = [None if leaf is None else next(leaves) for leaf in tree.flatten(start)]
        return tree.pack_sequence_as(start, every)

    # Flat, because the backends disagree on which nested structures a loop carries.
    found = ops.while_loop(
        lambda *leaves: condition(*packed(leaves)),
        lambda *leaves: flat(body(*packed(leaves))),
        flat(start),
    )
    return packed(found)


def pick_rows(structure: Any, rows: Any) -> Any:
    """Returns some rows of every tensor of a structure.

    Args:
        structure: Nested tensors with one first axis, and `None`.
        rows: `(n,)` int32.
    """
    return tree.map_structure(
        lambda leaf: None if leaf is None else ops.take(leaf, rows, axis=0), structure
    )


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
