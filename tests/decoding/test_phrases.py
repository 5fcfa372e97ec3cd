"""Required phrases against brute force, and the functions that they are made of."""

import itertools

import numpy as np
import pytest
import scripted
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_attn.decoding import Phrases, beam_search, contains_phrases, force_prefix
from keras_attn.decoding.phrases import (
    banks,
    best_of_each_bank,
    fit_phrases,
    next_tokens,
    tokens_lacking,
)

WORDS = (0, 2, 3)  # of the scripted vocabulary of four, beside the end token


def make_phrases(rows):
    """`Phrases` of lists of tuples."""
    count = max(1, *map(len, rows))
    width = max([1, *(len(phrase) for row in rows for phrase in row)])
    token_ids = np.full((len(rows), count, width), 99, "int32")
    lengths = np.zeros((len(rows), count), "int32")
    for row, phrases in enumerate(rows):
        for number, phrase in enumerate(phrases):
            token_ids[row, number, : len(phrase)] = phrase
            lengths[row, number] = len(phrase)
    return Phrases(ops.convert_to_tensor(token_ids), ops.convert_to_tensor(lengths))


def contains(sequence, phrase):
    size = len(phrase)
    return any(
        tuple(sequence[start : start + size]) == tuple(phrase)
        for start in range(len(sequence) - size + 1)
    )


def sequences(hypotheses, row):
    return [
        tuple(token_ids[:length].tolist())
        for token_ids, length in zip(
            hypotheses.token_ids[row], hypotheses.lengths[row], strict=True
        )
        if length
    ]


@pytest.mark.parametrize(
    "phrases",
    [
        [[(2,)], [], [(0, 0)]],
        [[(2, 0), (0,)], [(2, 2)], [(0,), (2,)]],
        [[(2, 0), (2,)], [(0, 2, 0), (2, 0)], [(2,), (2,)]],
    ],
    ids=["one", "two", "that overlap"],
)
@pytest.mark.parametrize(
    "length_penalty",
    [pytest.param(0.0, marks=pytest.mark.slow), 1.0],  # as the other
)
def test_a_beam_wide_enough_is_brute_force(phrases, length_penalty):
    limit = 4
    script = scripted.Script(seed=31, rows=3, vocabulary_size=3)
    hypotheses = script.search(
        beam_search,
        [limit] * 3,
        beam_size=16,
        length_penalty=length_penalty,
        required=make_phrases(phrases),
    )
    for row, required in enumerate(phrases):
        references = [
            reference
            for reference in scripted.brute_force(script, row, limit, length_penalty)
            if all(contains(reference.token_ids, phrase) for phrase in required)
        ]
        scripted.check_row(hypotheses, row, references, script)


any_phrases = given(
    seed=st.integers(0, 2**16),
    beam_size=st.integers(1, 5),
    phrases=st.lists(
        st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=2), max_size=2),
        min_size=3,
        max_size=3,
    ),
    room=st.integers(0, 2),
)


@settings(max_examples=3, deadline=None, derandomize=True)
@any_phrases
def test_every_hypothesis_contains_all_phrases_that_fit(seed, beam_size, phrases, room):
    check_all_phrases(seed, beam_size, phrases, room)


@pytest.mark.slow  # more of the same
@pytest.mark.timeout(1200)  # JAX compiles each example anew
@settings(max_examples=60, deadline=None, derandomize=True)
@any_phrases
def test_many_hypotheses_contain_all_phrases_that_fit(seed, beam_size, phrases, room):
    check_all_phrases(seed, beam_size, phrases, room)


def check_all_phrases(seed, beam_size, phrases, room):
    script = scripted.Script(seed, 3, 4)
    limits = [sum(map(len, row)) + 1 + room for row in phrases]
    hypotheses = script.search(
        beam_search, limits, beam_size=beam_size, required=make_phrases(phrases)
    )
    plain = script.search(beam_search, limits, beam_size=beam_size)
    for row, required in enumerate(phrases):
        got = sequences(hypotheses, row)
        assert got
        assert len(set(got)) == len(got)
        for sequence in got:
            assert all(contains(sequence, phrase) for phrase in required)
        if not required:
            assert got == sequences(plain, row)
            np.testing.assert_allclose(hypotheses.scores[row], plain.scores[row])


def test_a_row_is_the_same_alone_and_in_a_batch():
    script = scripted.Script(seed=12, rows=4, vocabulary_size=6)
    limits, phrases = [5, 4, 7, 3], [[(3, 3)], [], [(2,), (4, 5, 2)], [(5,)]]
    together = script.search(
        beam_search, limits, beam_size=4, required=make_phrases(phrases)
    )
    for row, limit in list(enumerate(limits))[:2]:
        alone = script.row_alone(row).search(
            beam_search, [limit], beam_size=4, required=make_phrases([phrases[row]])
        )
        assert sequences(together, row) == sequences(alone, 0)
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-6)


def test_the_last_phrases_are_dropped_where_there_is_no_room():
    script = scripted.Script(seed=3, rows=2, vocabulary_size=4)
    phrases = [[(2, 3), (3, 3), (0,)], [(2, 2, 2, 2, 2)]]
    hypotheses = script.search(
        beam_search, [4, 4], beam_size=3, required=make_phrases(phrases)
    )
    for sequence in sequences(hypotheses, 0):
        assert contains(sequence, (2, 3))
    plain = script.search(beam_search, [4, 4], beam_size=3)
    assert sequences(hypotheses, 1) == sequences(plain, 1)
    fitted = fit_phrases(make_phrases(phrases), ops.convert_to_tensor([3, 3]))
    assert ops.convert_to_numpy(fitted.lengths).tolist() == [[2, 0, 0], [0, 0, 0]]


def test_with_a_prefix_and_a_hook():
    script = scripted.Script(seed=8, rows=2, vocabulary_size=5)
    prefix = force_prefix([[3, 4], [2, 0]], [2, 1])

    def adjust(log_probs, tokens):
        forbidden = ops.equal(ops.arange(5), 0)
        return prefix(ops.where(forbidden, float("-inf"), log_probs), tokens)

    hypotheses = script.search(
        beam_search,
        [6, 6],
        beam_size=5,
        adjust=adjust,
        required=make_phrases([[(4, 2)], [(3,), (4, 4)]]),
    )
    for sequence in sequences(hypotheses, 0):
        assert sequence[:2] == (3, 4)
        assert contains(sequence, (4, 2))
        assert 0 not in sequence
    for sequence in sequences(hypotheses, 1):
        assert sequence[0] == 2
        assert contains(sequence, (3,))
        assert contains(sequence, (4, 4))


def test_a_phrase_that_cannot_be_written_leaves_no_hypothesis():
    script = scripted.Script(seed=8, rows=2, vocabulary_size=5)
    hypotheses = script.search(
        beam_search,
        [5, 5],
        beam_size=2,
        forbidden_ids=(0,),
        required=make_phrases([[(3, 0)], []]),
    )
    assert not sequences(hypotheses, 0)
    plain = script.search(beam_search, [5, 5], beam_size=2, forbidden_ids=(0,))
    assert sequences(hypotheses, 1) == sequences(plain, 1)


def test_phrases_of_another_shape_are_refused():
    script = scripted.Script(seed=8, rows=1, vocabulary_size=5)
    bad = Phrases(np.zeros((1, 2), "int32"), np.zeros((1, 2), "int32"))
    with pytest.raises(ValueError, match=r"\(B, C, W\).*token_ids.shape=\(1, 2\)"):
        script.search(beam_search, [3], beam_size=2, required=bad)


def fewest_lacking(sequence, phrases):
    """As the definition says, in plain Python."""
    undone = [phrase for phrase in phrases if not contains(sequence, phrase)]
    begun = [
        size
        for phrase in undone
        for size in range(1, len(phrase))
        if len(sequence) >= size and sequence[-size:] == phrase[:size]
    ]
    return sum(map(len, undone)) - max(begun, default=0)


def test_progress_is_that_of_plain_python():
    phrases = [(2, 2, 3), (2, 3, 2), (3,)]
    required = make_phrases([phrases])
    for sequence in itertools.chain.from_iterable(
        itertools.product((2, 3), repeat=length) for length in range(5)
    ):
        history = np.array([[*sequence, 2, 2][:6]])  # what is beyond does not count
        arguments = (len(sequence), ops.convert_to_tensor(history), required)
        lacking = tokens_lacking(*arguments, ops.convert_to_tensor([[2, 3, 7]]))
        assert ops.convert_to_numpy(lacking).tolist() == [
            [fewest_lacking((*sequence, token), phrases) for token in (2, 3, 7)]
        ]
        following = ops.convert_to_numpy(next_tokens(*arguments))[0].tolist()
        for phrase, token in zip(phrases, following, strict=True):
            begun = max(
                size
                for size in range(len(phrase))
                if size <= len(sequence)
                and sequence[len(sequence) - size :] == phrase[:size]
            )
            assert token == (-1 if contains(sequence, phrase) else phrase[begun])
        occurs = contains_phrases(arguments[1], arguments[0], required)
        assert ops.convert_to_numpy(occurs).tolist() == [
            [contains(sequence, phrase) for phrase in phrases]
        ]


def test_every_bank_has_its_share():
    ranks = np.array([[-5, -4, -3, -np.inf, -1, -3, -0.5]], "float32")
    lacking = ops.convert_to_tensor(np.array([[0, 0, 2, 1, 2, 2, 4]], "int32"))
    for count in range(1, 7):
        chosen = best_of_each_bank(
            ops.convert_to_tensor(ranks), banks(lacking, 3), count
        )
        # The last lacks 4 tokens where 3 have room.
        want = [1, 4, 0, 2, 5, 6][:count]
        assert ops.convert_to_numpy(chosen).tolist() == [want]
