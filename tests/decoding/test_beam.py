"""Beam search against the same rule in plain Python, brute force and greedy search."""

import numpy as np
import pytest
import scripted
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_attn.decoding import beam_search, greedy_search
from keras_attn.decoding.beam import log_coverage


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**16),
    limits=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    beam_size=st.integers(1, 5),
    vocabulary_size=st.integers(3, 7),
    forbidden=st.sampled_from([(), (0,), (0, 2)]),
    length_penalty=st.sampled_from([0.0, 0.6, 1.0, 2.0]),
)
def test_equals_the_reference(
    seed, limits, beam_size, vocabulary_size, forbidden, length_penalty
):
    script = scripted.Script(seed, len(limits), vocabulary_size)
    hypotheses = script.search(
        beam_search,
        limits,
        beam_size=beam_size,
        forbidden_ids=forbidden,
        length_penalty=length_penalty,
    )
    for row, limit in enumerate(limits):
        references = scripted.reference_beam(
            script, row, limit, beam_size, forbidden, length_penalty
        )
        scripted.check_row(hypotheses, row, references, script)
    assert hypotheses.token_ids.shape[-1] == hypotheses.lengths.max()


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_beam_wider_than_the_search_space_is_brute_force(length_penalty):
    # 8 open histories of 3 words before the last step: 24 continuations at most.
    limits = [1, 2, 3, 4]
    script = scripted.Script(seed=11, rows=4, vocabulary_size=3)
    hypotheses = script.search(
        beam_search, limits, beam_size=24, length_penalty=length_penalty
    )
    for row, limit in enumerate(limits):
        references = scripted.brute_force(script, row, limit, length_penalty)
        assert len(references) == 2**limit - 1
        scripted.check_row(hypotheses, row, references, script)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**16),
    limits=st.lists(st.integers(1, 8), min_size=1, max_size=4),
    vocabulary_size=st.integers(3, 9),
    # Few distinct logits, so that ties are common.
    levels=st.sampled_from([None, 3]),
)
def test_a_beam_of_one_is_greedy_search(seed, limits, vocabulary_size, levels):
    script = scripted.Script(seed, len(limits), vocabulary_size)
    if levels:
        script.table = np.round(script.table * levels / 6)
    greedy = script.search(greedy_search, limits)
    beam = script.search(beam_search, limits, beam_size=1)
    for want, got in zip(greedy, beam, strict=True):
        np.testing.assert_array_equal(got, want)


def test_the_search_stops_when_enough_are_finished():
    script = scripted.Script(seed=14, rows=2, vocabulary_size=4)
    script.table[..., scripted.END] = 9.0  # ends at once, whatever the history
    hypotheses = script.search(beam_search, [50, 50], beam_size=2)
    assert hypotheses.token_ids.shape[-1] == 2  # "</s>" and the best "x </s>"


def test_one_length_penalty_per_row():
    script = scripted.Script(seed=15, rows=3, vocabulary_size=5)
    penalties = [0.0, 1.0, 3.0]
    hypotheses = script.search(
        beam_search,
        [6, 6, 6],
        beam_size=4,
        length_penalty=np.asarray(penalties, "float32"),
    )
    for row, penalty in enumerate(penalties):
        references = scripted.reference_beam(script, row, 6, 4, (), penalty)
        scripted.check_row(hypotheses, row, references, script)


def test_fewer_hypotheses_than_beams_leave_absent_ones():
    script = scripted.Script(seed=16, rows=1, vocabulary_size=2)
    hypotheses = script.search(beam_search, [4], beam_size=5, forbidden_ids=(0,))
    assert hypotheses.lengths.tolist() == [[1, 0, 0, 0, 0]]
    assert hypotheses.scores[0, 1:].tolist() == [-np.inf] * 4
    assert hypotheses.token_ids.shape == (1, 5, 1)
    assert not np.isnan(hypotheses.scores).any()


SOURCES = 4


def attention_logits(code, position):
    return (code * (position + 3)) % 7


def attending_step(token_ids, state, memory):
    """The scripted words, with attention that depends on the whole history."""
    logits, state, weights = scripted.Script.step(token_ids, state, memory)
    code = ops.cast(weights[:, 2:], "int32")
    positions = ops.arange(SOURCES, dtype="int32")
    scores = ops.cast(attention_logits(code, positions), "float32")
    return logits, state, ops.softmax(scores, axis=-1)


def reference_attention(token_ids):
    codes = [scripted.code_of(token_ids[:t]) for t in range(len(token_ids))]
    weights = np.exp(attention_logits(np.array(codes)[:, None], np.arange(SOURCES)))
    return weights / weights.sum(axis=1, keepdims=True)


def reference_rank(hypothesis, mask, penalty, length_penalty):
    total = reference_attention(hypothesis.token_ids).sum(axis=0)
    coverage = np.log(np.clip(total[mask], 1e-6, 1)).sum()
    length = len(hypothesis.token_ids)
    return hypothesis.score / length**length_penalty + penalty * coverage


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_with_a_coverage_penalty_the_best_of_all_comes_first(length_penalty):
    limits, penalty = [2, 3, 4], 1.5
    masks = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]], bool)
    script = scripted.Script(seed=5, rows=3, vocabulary_size=3)
    script.step = attending_step
    hypotheses = script.search(
        beam_search,
        limits,
        beam_size=24,
        length_penalty=length_penalty,
        coverage_penalty=penalty,
        source_mask=ops.array(masks),
    )
    orders_changed = []
    for row, limit in enumerate(limits):
        by_score = scripted.brute_force(script, row, limit, length_penalty)
        by_rank = sorted(
            by_score,
            key=lambda h: -reference_rank(h, masks[row], penalty, length_penalty),
        )
        for k, reference in enumerate(by_rank):
            length = hypotheses.lengths[row, k]
            token_ids = hypotheses.token_ids[row, k, :length]
            assert tuple(token_ids) == reference.token_ids
            assert hypotheses.scores[row, k] == pytest.approx(reference.score, rel=1e-5)
            assert hypotheses.truncated[row, k] == reference.truncated
            # The attention of this very hypothesis, whichever beams it went through.
            np.testing.assert_allclose(
                hypotheses.attention[row, k, :length],
                reference_attention(reference.token_ids),
                rtol=1e-5,
            )
        assert (hypotheses.lengths[row, len(by_rank) :] == 0).all()
        orders_changed.append(by_rank != by_score)
    # The penalty matters in rows that have something to cover.
    assert orders_changed == [True, True, False]


def test_a_coverage_penalty_changes_the_order_and_not_the_hypotheses():
    script = scripted.Script(seed=8, rows=4, vocabulary_size=6)
    script.step = attending_step
    options = {"beam_size": 4, "max_lengths": [5, 6, 7, 8]}
    mask = ops.ones((4, SOURCES), "bool")
    plain = script.search(beam_search, **options)
    ranked = script.search(
        beam_search, coverage_penalty=2.0, source_mask=mask, **options
    )
    orders_changed = 0
    for row in range(4):
        before, after = (
            [
                tuple(ids[:length])
                for ids, length in zip(
                    hypotheses.token_ids[row], hypotheses.lengths[row], strict=True
                )
            ]
            for hypotheses in (plain, ranked)
        )
        assert sorted(before) == sorted(after)
        orders_changed += before != after
    assert orders_changed


def test_coverage_counts_up_to_one_and_real_tokens_only():
    attention = np.array([[[[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.0, 0.0, 0.0]]]])
    coverage = log_coverage(ops.array(attention), ops.array([[True, True, True]]))
    assert float(coverage[0, 0]) == pytest.approx(np.log(0.5) + np.log(1e-6), rel=1e-5)
    coverage = log_coverage(ops.array(attention), ops.array([[True, True, False]]))
    assert float(coverage[0, 0]) == pytest.approx(np.log(0.5), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"beam_size": 0}, ValueError, "at least 1. Received: beam_size=0"),
        ({"beam_size": 2.0}, TypeError, "an integer.*beam_size=2.0"),
        ({"beam_size": True}, TypeError, "an integer.*beam_size=True"),
        ({"length_penalty": -0.5}, ValueError, "at least 0.*length_penalty=-0.5"),
        (
            {"length_penalty": float("nan")},
            ValueError,
            "at least 0.*length_penalty=nan",
        ),
        ({"coverage_penalty": -1.0}, ValueError, "0 or more.*coverage_penalty=-1.0"),
        ({"coverage_penalty": True}, ValueError, "coverage_penalty=True"),
        ({"coverage_penalty": float("nan")}, ValueError, "coverage_penalty=nan"),
        ({"coverage_penalty": 0.5}, ValueError, "source_mask=None"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    script = scripted.Script(seed=19, rows=1, vocabulary_size=4)
    with pytest.raises(error, match=message):
        script.search(beam_search, [3], **{"beam_size": 2, **options})
