"""Beam search against the rule by hand, brute force, and greedy search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_attn.decoding import beam_search, greedy_search


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**16),
    limits=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    beam_size=st.integers(1, 5),
    vocabulary_size=st.integers(3, 7),
    forbidden=st.sampled_from([(), (0,), (0, 2)]),
    length_penalty=st.sampled_from([0.0, 0.6, 1.0, 2.0]),
)
def test_equals_the_rule_by_hand(
    scripted, seed, limits, beam_size, vocabulary_size, forbidden, length_penalty
):
    script = scripted.Script(seed, len(limits), vocabulary_size)
    found = script.search(
        beam_search,
        limits,
        beam_size=beam_size,
        forbidden_ids=forbidden,
        length_penalty=length_penalty,
    )
    for row, limit in enumerate(limits):
        by_hand = scripted.beam_by_hand(
            script, row, limit, beam_size, forbidden, length_penalty
        )
        scripted.check_row(found, row, by_hand, script)
    assert found.token_ids.shape[-1] == found.lengths.max()


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_beam_wider_than_the_search_space_finds_all(scripted, length_penalty):
    # 8 open histories of 3 words before the last step: 24 continuations at most.
    limits = [1, 2, 3, 4]
    script = scripted.Script(seed=11, rows=4, vocabulary_size=3)
    found = script.search(
        beam_search, limits, beam_size=24, length_penalty=length_penalty
    )
    for row, limit in enumerate(limits):
        everything = scripted.brute_force(script, row, limit, length_penalty)
        assert len(everything) == 2**limit - 1
        scripted.check_row(found, row, everything, script)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**16),
    limits=st.lists(st.integers(1, 8), min_size=1, max_size=4),
    vocabulary_size=st.integers(3, 9),
    # Few distinct logits, so that ties are as common as winners.
    levels=st.sampled_from([None, 3]),
)
def test_a_beam_of_one_is_greedy_search(
    scripted, seed, limits, vocabulary_size, levels
):
    script = scripted.Script(seed, len(limits), vocabulary_size)
    if levels:
        script.table = np.round(script.table * levels / 6)
    greedy = script.search(greedy_search, limits)
    beam = script.search(beam_search, limits, beam_size=1)
    for want, got in zip(greedy, beam, strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_row_does_not_see_its_batch_mates(scripted):
    script = scripted.Script(seed=12, rows=5, vocabulary_size=6)
    scripted.check_alone(script, beam_search, [2, 9, 4, 1, 12], beam_size=3)


def test_finished_rows_ignore_what_the_decoder_says_later(scripted):
    script = scripted.Script(seed=13, rows=3, vocabulary_size=4)
    limits = np.asarray([1, 2, 9], "int32")
    clean = script.search(beam_search, limits, beam_size=2)

    def step(token_ids, state, memory):
        logits, new_state, weights = script.step(token_ids, state, memory[0])
        late = ops.greater_equal(state.time, memory[1])[:, None]
        return (
            ops.where(late, np.nan, logits),
            new_state,
            ops.where(late, np.nan, weights),
        )

    dirty = beam_search(
        step,
        script.state(),
        (script.memory(), ops.convert_to_tensor(limits)),
        beam_size=2,
        max_lengths=limits,
        start_id=script.Start,
        end_id=script.End,
    )
    for want, got in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(got), want)


def test_the_search_stops_when_enough_are_finished(scripted):
    script = scripted.Script(seed=14, rows=2, vocabulary_size=4)
    script.table[..., script.End] = 9.0  # ends at once, whatever came before
    longest = script.search(beam_search, [50, 50], beam_size=2).token_ids.shape[-1]
    assert longest == 2  # "</s>" and the best "x </s>"


def test_length_penalties_one_a_row(scripted):
    script = scripted.Script(seed=15, rows=3, vocabulary_size=5)
    penalties = [0.0, 1.0, 3.0]
    found = script.search(
        beam_search,
        [6, 6, 6],
        beam_size=4,
        length_penalty=np.asarray(penalties, "float32"),
    )
    for row, penalty in enumerate(penalties):
        by_hand = scripted.beam_by_hand(script, row, 6, 4, (), penalty)
        scripted.check_row(found, row, by_hand, script)


def test_fewer_hypotheses_than_beams_leave_absent_ones(scripted):
    script = scripted.Script(seed=16, rows=1, vocabulary_size=2)
    found = script.search(beam_search, [4], beam_size=5, forbidden_ids=(0,))
    assert found.lengths.tolist() == [[1, 0, 0, 0, 0]]
    assert found.scores[0, 1:].tolist() == [-np.inf] * 4
    assert found.token_ids.shape == (1, 5, 1)
    assert not np.isnan(found.scores).any()


def test_impossible_ends_are_still_ends(scripted):
    script = scripted.Script(seed=17, rows=1, vocabulary_size=3)
    script.table[:] = [-np.inf, -np.inf, 0.0]  # never ends by itself
    found = script.search(beam_search, [3], beam_size=1)
    assert found.token_ids.tolist() == [[[2, 2, 1]]]
    assert found.scores.tolist() == [[-1e9]]
    assert found.truncated.all()


def test_no_rows(scripted):
    script = scripted.Script(seed=18, rows=0, vocabulary_size=4)
    found = script.search(beam_search, np.zeros((0,), "int32"), beam_size=3)
    assert found.token_ids.shape == (0, 3, 0)
    assert found.attention.shape == (0, 3, 0, 3)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"beam_size": 0}, ValueError, "at least 1. Received: beam_size=0"),
        ({"beam_size": 2.0}, TypeError, "an integer.*beam_size=2.0"),
        ({"beam_size": True}, TypeError, "an integer.*beam_size=True"),
        (
            {"beam_size": 2, "length_penalty": -0.5},
            ValueError,
            "at least 0.*length_penalty=-0.5",
        ),
        (
            {"beam_size": 2, "length_penalty": float("nan")},
            ValueError,
            "at least 0.*length_penalty=nan",
        ),
    ],
)
def test_impossible_options(scripted, options, error, message):
    script = scripted.Script(seed=19, rows=1, vocabulary_size=4)
    with pytest.raises(error, match=message):
        script.search(beam_search, [3], **options)
