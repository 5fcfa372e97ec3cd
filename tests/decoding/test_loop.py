"""The loop over decoder steps and the gathers of every search."""

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn.decoding.loop import run_steps
from keras_attn.step_ops import gather_along, write_row


@pytest.mark.parametrize(
    ("shape", "picks"), [((5,), 3), ((4, 5), 2), ((2, 3, 5), 5), ((2, 0, 5), 4)]
)
@pytest.mark.parametrize("trailing", [(), (2,)])
def test_gather_along_equals_numpy(shape, picks, trailing):
    generator = np.random.default_rng(31)
    values = generator.normal(size=shape + trailing).astype("float32")
    indices = generator.integers(0, 5, size=(*shape[:-1], picks)).astype("int32")
    got = gather_along(ops.convert_to_tensor(values), ops.convert_to_tensor(indices))
    wide = indices.reshape(indices.shape + (1,) * len(trailing))
    want = np.take_along_axis(values, wide, axis=len(shape) - 1)
    np.testing.assert_array_equal(ops.convert_to_numpy(got), want)


def test_write_row_replaces_one_row():
    got = write_row(ops.zeros((3, 2)), ops.convert_to_tensor(1), ops.ones((2,)))
    assert ops.convert_to_numpy(got).tolist() == [[0, 0], [1, 1], [0, 0]]


class Carry(NamedTuple):
    token_ids: Any
    steps_left: Any


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("lengths", [[1], [1, 4, 2], [3, 3], [4, *[1] * 8], []])
def test_run_steps_takes_every_step_of_every_row_and_no_more(lengths, compact):
    batch_sizes = []
    rows = ops.convert_to_tensor(np.arange(len(lengths), dtype="int32"))

    def step(token_ids, state, memory):
        row, nothing = memory
        assert nothing is None
        batch_sizes.append(ops.shape(token_ids)[0])
        logits = ops.stack([token_ids, state, row], axis=1)
        return logits, state + 1, logits[:, :2] * 2

    def advance(t, carry, alive, logits, weights):
        own_rows = alive.to_rows(rows)[:, None]
        records = (alive.to_beams(ops.concatenate([logits, own_rows], axis=1)),)
        return Carry(carry.token_ids + 10, carry.steps_left - 1), None, records

    carry, (records,) = run_steps(
        step,
        rows * 100,
        (rows, None),
        advance,
        Carry(rows, ops.convert_to_tensor(np.asarray(lengths, "int32"))),
        is_alive=lambda carry: carry.steps_left > 0,
        limit=ops.convert_to_tensor(5),
        compact=compact,
    )
    records = ops.convert_to_numpy(records)
    assert records.shape == (5, len(lengths), 4)
    for row, length in enumerate(lengths):
        assert records[:length, row].tolist() == [
            [row + 10 * t, row * 100 + t, row, row] for t in range(length)
        ]
    steps = max(lengths, default=1)
    assert not records[steps:].any()
    steps_left = ops.convert_to_numpy(carry.steps_left).tolist()
    assert steps_left == [length - steps for length in lengths]
    if len(lengths) == 9 and keras.backend.backend() != "jax":
        assert batch_sizes == [9, *[1 if compact else 9] * 3]


def test_beams_continue_the_state_of_their_parents():
    """Two beams per row, which continue each other."""
    parents = ops.convert_to_tensor(np.int32([1, 0, 3, 2]))

    def step(token_ids, state, memory):
        return ops.stack([state, memory], axis=1), state * 2 + token_ids, state[:, None]

    def advance(t, carry, alive, logits, weights):
        tokens = ops.convert_to_tensor(np.int32([0, 1, 0, 1]))
        records = (alive.to_beams(logits),)
        return Carry(tokens, carry.steps_left - 1), parents, records

    start = ops.convert_to_tensor(np.int32([1, 2]))
    _, (records,) = run_steps(
        step,
        start,
        start * 7,
        advance,
        Carry(ops.zeros((4,), "int32"), ops.full((4,), 3, "int32")),
        is_alive=lambda carry: carry.steps_left > 0,
        limit=ops.convert_to_tensor(3),
        width=2,
    )
    states, memory = np.moveaxis(ops.convert_to_numpy(records), -1, 0)
    assert memory.tolist() == [[7, 7, 14, 14]] * 3
    # s -> 2 s + token, then swapped.
    assert states.tolist() == [[1, 1, 2, 2], [2, 2, 4, 4], [5, 4, 9, 8]]
