"""The loop and the gather under every search."""

import numpy as np
import pytest
from keras import ops

from keras_attn.decoding.stepping import gather_along, run_steps, write_row


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


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_run_steps_records_every_step_and_no_more(steps):
    def advance(t, carry):
        count, (left,) = carry
        return (count + 1, [left - 1]), (ops.stack([count, left]),)

    start = (ops.convert_to_tensor(10), [ops.convert_to_tensor(steps)])
    carry, (records,) = run_steps(
        advance,
        start,
        limit=ops.convert_to_tensor(5),
        is_running=lambda carry: carry[1][0] > 0,
    )
    assert int(carry[0]) == 10 + steps
    want = [[10 + t, steps - t] for t in range(steps)] + [[0, 0]] * (5 - steps)
    assert ops.convert_to_numpy(records).tolist() == want
