"""The loop over decoder steps that every search runs."""

from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import ops, tree

from keras_attn.step_ops import select_rows, take_rows, write_row
from keras_attn.typing import StepFunction, Structure, Tensor

__all__ = ["AliveBeams", "run_steps"]


class AliveBeams(NamedTuple):
    """Which beams of a search the decoder computes.

    A search keeps records of all its `P` beams, `K` for each sentence. A decoder step
    costs far more and is taken only for the `n` beams that are not finished.
    """

    beams: Tensor  # (n,) int32 in [0, P), the beam of each decoder row
    # (P,) int32 in [0, n), the decoder row of each beam; any if it has none
    rows: Tensor

    def to_rows(self, values: Tensor) -> Tensor:
        """Selects the decoder rows `(n, ...)` from values of all beams `(P, ...)`."""
        return take_rows(values, self.beams)

    def to_beams(self, values: Tensor) -> Tensor:
        """Spreads values of decoder rows `(n, ...)` over all beams `(P, ...)`.

        A beam without a decoder row gets the value of some other one. `values` may be
        nested, with `None` in it.
        """
        return select_rows(values, self.rows)


class _DecoderInputs(NamedTuple):
    """What a decoder step reads besides the token ids, one row per alive beam."""

    state: Structure
    memory: Structure


def run_steps(
    step: StepFunction,
    state: Structure,
    memory: Structure,
    advance: Callable[..., tuple[Structure, Tensor | None, tuple]],
    carry: Structure,
    *,
    is_alive: Callable[[Structure], Tensor],
    limit: Tensor,
    width: int = 1,
    compact: bool = True,
) -> tuple[Structure, tuple[Structure, ...]]:
    """Runs decoder steps while a beam is alive, and records every step.

    Finished beams leave the decoder's batch as soon as they are an eighth of it:
    copying the inputs of the others costs about as much as one step.

    The first step runs before the loop, for one beam of each sentence. Only its result
    tells the source length (the width of the weights) and the shapes and dtypes of the
    decoder's state, which a graph loop must know before it starts. Records go into
    time-major buffers, one row per step. (TensorFlow's scatter copies the buffer:
    memory bandwidth times `limit * P * S` floats per step, little compared with the
    vocabulary projection.)

    Args:
        step: `step(token_ids, state, memory) -> (logits, state, weights)`.
        state: Nested structure of tensors with first axis `B`, before the first step.
        memory: Likewise; leaves may be `None`.
        advance: `advance(t, carry, alive, logits, weights) -> (carry, parents,
            records)`, the search's part of a step. `carry` is a nested structure of
            tensors of constant shape with `P` values in `carry.token_ids`; `alive` are
            the `AliveBeams` of `logits` `(n, V)` and `weights` `(n, S)`, which are
            passed on as `step` returns them; `parents`
            `(P,)` int32 names the beam whose state each beam continues, `None`: its
            own; `records` is a tuple of tensors of constant shape.
        carry: The search's state before the first step.
        is_alive: `is_alive(carry)` returns `(P,)` booleans: which beams need another
            step. A beam that is not alive stays so.
        limit: Scalar int32, maximum number of steps; at least 1 is run.
        width: Beams of each sentence, `P = B * width`. The first step is computed for
            the first of them.
        compact: Whether finished beams leave the decoder's batch. Ignored on JAX, and
            to be switched off where XLA compiles the search: their loops cannot change
            a shape.

    Returns:
        carry: After the last step.
        buffers: One `(limit, ...)` tensor per record; zeros for steps that did not run.
    """
    compact = compact and keras.backend.backend() != "jax"

    def take_step(t, alive, inputs, carry):
        token_ids = carry.token_ids
        if len(token_ids.shape) > 1:
            token_ids = ops.reshape(token_ids, (-1,))
        token_ids = alive.to_rows(token_ids)  # (n,)
        logits, state, weights = step(token_ids, inputs.state, inputs.memory)
        carry, parents, records = advance(t, carry, alive, logits, weights)
        return inputs._replace(state=state), parents, carry, records

    # The first step, for one beam of each sentence.
    beams = ops.arange(ops.shape(is_alive(carry))[0], dtype="int32")  # (P,)
    first = AliveBeams(beams[::width], beams // width)
    inputs, parents, carry, records = take_step(
        0, first, _DecoderInputs(state, memory), carry
    )
    buffers = tuple(_start_buffer(record, limit) for record in records)
    alive = _alive_beams(is_alive(carry)) if compact else AliveBeams(beams, beams)
    # From one row per sentence to one per alive beam: the memory, too.
    parents = beams if parents is None else parents
    inputs = select_rows(inputs, take_rows(first.rows, alive.to_rows(parents)))

    def body(t, alive, inputs, carry, buffers):
        inputs, parents, carry, records = take_step(t, alive, inputs, carry)
        if parents is not None:
            parent_rows = take_rows(alive.rows, alive.to_rows(parents))  # (n,)
            inputs = inputs._replace(state=select_rows(inputs.state, parent_rows))
        pairs = zip(buffers, records, strict=True)
        buffers = tuple(write_row(buffer, t, record) for buffer, record in pairs)
        return t + 1, alive, inputs, carry, buffers

    def steps_while_more_than(num_alive, loop_state):
        def condition(t, alive, inputs, carry, buffers):
            return ops.sum(ops.cast(is_alive(carry), "int32")) > num_alive

        return _while_loop(condition, body, loop_state)

    # Tried without gain: filling freed rows with waiting sentences (more copies, more
    # padding), and pruning beams far below the best (a narrower beam loses less BLEU).
    def steps_of_one_batch_size(t, alive, inputs, carry, buffers):
        rows = ops.shape(alive.beams)[0]
        t, alive, inputs, carry, buffers = steps_while_more_than(
            rows - ops.maximum(rows // 8, 1), (t, alive, inputs, carry, buffers)
        )
        still_alive = _alive_beams(is_alive(carry))
        inputs = select_rows(inputs, still_alive.to_rows(alive.rows))
        return t, still_alive, inputs, carry, buffers

    loop_state = (ops.convert_to_tensor(1, "int32"), alive, inputs, carry, buffers)
    if compact:
        _, _, _, carry, buffers = _while_loop(
            lambda t, alive, inputs, carry, buffers: ops.any(is_alive(carry)),
            steps_of_one_batch_size,
            loop_state,
        )
    else:
        _, _, _, carry, buffers = steps_while_more_than(0, loop_state)
    return carry, buffers


def _alive_beams(is_alive):
    """Returns the `AliveBeams` of `(P,)` booleans."""
    (beams,) = ops.nonzero(is_alive)
    rows = ops.cumsum(ops.cast(is_alive, "int32")) - 1
    return AliveBeams(ops.cast(beams, "int32"), ops.maximum(rows, 0))


def _start_buffer(record, limit):
    """Returns a buffer `(limit, ...)` that holds the record of the first step."""
    # Concatenated, not scattered: TensorFlow refuses to scatter into no elements,
    # and a batch of no rows never gets as far as the loop.
    shape = (ops.maximum(limit, 1) - 1, *ops.shape(record))
    return ops.concatenate([record[None], ops.zeros(shape, record.dtype)])


def _while_loop(condition, body, loop_state):
    """`ops.while_loop` over any nested structure, also with `None` in it."""

    def flat(structure):
        return tuple(leaf for leaf in tree.flatten(structure) if leaf is not None)

    def packed(leaves):
        leaves = iter(leaves)
        flat_state = [
            None if leaf is None else next(leaves) for leaf in tree.flatten(loop_state)
        ]
        return tree.pack_sequence_as(loop_state, flat_state)

    # Flat, because the backends disagree on which nested structures a loop carries.
    leaves = ops.while_loop(
        lambda *leaves: condition(*packed(leaves)),
        lambda *leaves: flat(body(*packed(leaves))),
        flat(loop_state),
    )
    return packed(leaves)
