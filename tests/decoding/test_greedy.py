"""Greedy search against the same rule by hand."""

import numpy as np
import pytest
from keras import ops

from keras_attn.decoding import greedy_search


@pytest.mark.parametrize("forbidden_ids", [(), (0, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_equals_the_rule_by_hand(scripted, forbidden_ids, dtype):
    script = scripted.Script(seed=1, rows=6, vocabulary_size=5, dtype=dtype)
    limits = [1, 2, 3, 5, 8, 8]
    found = script.search(greedy_search, limits, forbidden_ids=forbidden_ids)
    for row, limit in enumerate(limits):
        by_hand = scripted.greedy_by_hand(script, row, limit, forbidden_ids)
        scripted.check_row(found, row, [by_hand], script)
    assert found.token_ids.shape[-1] == found.lengths.max()
    assert found.truncated.any()
    assert not found.truncated.all()


def test_dtypes_do_not_depend_on_the_decoder(scripted):
    script = scripted.Script(seed=2, rows=2, vocabulary_size=4, dtype="float16")
    found = script.search(greedy_search, [3, 3])
    dtypes = [field.dtype.name for field in found]
    assert dtypes == ["int32", "int32", "float32", "float32", "float32", "bool"]


def test_a_row_does_not_see_its_batch_mates(scripted):
    script = scripted.Script(seed=3, rows=5, vocabulary_size=6)
    scripted.check_alone(script, greedy_search, [2, 9, 4, 1, 12])


def test_finished_rows_ignore_what_the_decoder_says_later(scripted):
    script = scripted.Script(seed=4, rows=3, vocabulary_size=4)
    limits = np.asarray([1, 2, 9], "int32")
    clean = script.search(greedy_search, limits)

    def step(token_ids, state, memory):
        logits, new_state, weights = script.step(token_ids, state, memory[0])
        late = ops.greater_equal(state.time, memory[1])[:, None]
        return (
            ops.where(late, np.nan, logits),
            new_state,
            ops.where(late, np.nan, weights),
        )

    dirty = greedy_search(
        step,
        script.state(),
        (script.memory(), ops.convert_to_tensor(limits)),
        max_lengths=limits,
        start_id=script.Start,
        end_id=script.End,
    )
    for want, got in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(got), want)


def test_limits_below_one_count_as_one(scripted):
    script = scripted.Script(seed=5, rows=3, vocabulary_size=4)
    found = script.search(greedy_search, [0, -4, 1])
    assert found.lengths.tolist() == [[1], [1], [1]]
    assert found.token_ids.tolist() == [[[script.End]]] * 3


def test_no_rows(scripted):
    script = scripted.Script(seed=6, rows=0, vocabulary_size=4)
    found = script.search(greedy_search, np.zeros((0,), "int32"))
    assert found.token_ids.shape == (0, 1, 0)
    assert found.attention.shape == (0, 1, 0, 3)
    assert found.scores.shape == (0, 1)


def test_certain_and_impossible_tokens_give_finite_scores(scripted):
    script = scripted.Script(seed=7, rows=2, vocabulary_size=3)
    script.table[:] = [-np.inf, -np.inf, 0.0]  # never ends by itself
    found = script.search(greedy_search, [3, 2])
    assert found.token_ids.tolist() == [[[2, 2, 1]], [[2, 1, 0]]]
    assert found.token_scores.tolist() == [[[0, 0, -1e9]], [[0, -1e9, 0]]]
    assert found.truncated.all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"forbidden_ids": (1,)},
            ValueError,
            "cannot be forbidden. Received: end_id=1",
        ),
        ({"forbidden_ids": (-1,)}, ValueError, "negative. Received: forbidden_ids=-1"),
        ({"forbidden_ids": (0.5,)}, TypeError, "integers. Received: forbidden_ids=0.5"),
        ({"forbidden_ids": (4,)}, ValueError, r"below the vocabulary size.*\(4,\)"),
    ],
)
def test_impossible_options(scripted, options, error, message):
    script = scripted.Script(seed=8, rows=1, vocabulary_size=4)
    with pytest.raises(error, match=message):
        script.search(greedy_search, [3], **options)


def test_limits_must_be_one_a_row(scripted):
    script = scripted.Script(seed=8, rows=1, vocabulary_size=4)
    with pytest.raises(ValueError, match=r"shape \(B,\).*max_lengths.shape=\(1, 1\)"):
        script.search(greedy_search, [[3]])
