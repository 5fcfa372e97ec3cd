"""Attention after the word is known, against Bayes' rule place by place."""

import layer_tools
import numpy as np
import pytest
import tiny
from keras import ops

from keras_attn import Seq2Seq
from keras_attn.decoding import score_targets
from keras_attn.decoding.posterior import posterior_weights
from keras_attn.layers.decoder.memory import Memory
from keras_attn.models import Ensemble

SOURCE = np.array([[7, 8, 9, 5, 3], [6, 4, 3, 0, 0], [3, 0, 0, 0, 0]])
TARGET = np.array([[5, 8, 6, 3], [4, 3, 0, 0], [9, 9, 9, 3]])
LENGTHS = np.array([4, 2, 4])


def model(seed=0, **changed):
    return layer_tools.randomise(Seq2Seq(tiny.config(**changed)), seed, scale=0.6)


def after_the_fact(found, source=SOURCE, target=TARGET, lengths=LENGTHS, **options):
    state, memory = found.encode(source)
    scored = score_targets(
        found.step,
        state,
        memory,
        target_ids=target,
        target_lengths=lengths,
        start_id=tiny.START,
        at_position=found.at_position,
        **options,
    )
    return ops.convert_to_numpy(scored.attention)[:, 0]


def by_hand(found):
    """One row, one step, one place at a time, of a memory that has no other place."""
    weights = np.zeros((*TARGET.shape, SOURCE.shape[1]))
    for row, length in enumerate(LENGTHS):
        state, memory = found.encode(SOURCE[row : row + 1])
        previous = tiny.START
        for t, word in enumerate(TARGET[row, :length]):
            token = np.array([previous])
            joint = np.zeros(SOURCE.shape[1])
            for place in np.flatnonzero(SOURCE[row]):
                only = slice(place, place + 1)
                alone = Memory(
                    memory.values[:, only],
                    None if memory.keys is None else memory.keys[:, only],
                    memory.mask[:, only],
                    memory.summary,
                )
                logits = ops.convert_to_numpy(found.step(token, state, alone)[0])[0]
                p = np.exp(logits - logits.max())
                joint[place] = p[word] / p.sum()
            _, state, expected = found.step(token, state, memory)
            joint *= ops.convert_to_numpy(expected)[0]
            weights[row, t] = joint / joint.sum()
            previous = word
    return weights


@pytest.mark.parametrize("order", ["bahdanau", "conditional"])
def test_it_is_bayes_rule_with_each_place_alone(order):
    found = model(order=order)
    np.testing.assert_allclose(after_the_fact(found), by_hand(found), atol=2e-6)


def test_a_pair_gets_the_same_alone_and_in_any_batch():
    found = model(seed=1)
    together = after_the_fact(found)
    for row, length in enumerate(LENGTHS):
        width = np.count_nonzero(SOURCE[row])
        alone = after_the_fact(
            found,
            SOURCE[row : row + 1, :width],
            TARGET[row : row + 1, :length],
            LENGTHS[row : row + 1],
        )
        np.testing.assert_allclose(
            together[row, :length, :width], alone[0], rtol=1e-5, atol=1e-7
        )
        assert not together[row, length:].any()
        assert not together[row, :, width:].any()


def test_members_are_asked_together():
    one = model(seed=2)
    both = Ensemble([one, model(seed=2)])
    np.testing.assert_allclose(
        after_the_fact(both), after_the_fact(one), rtol=1e-4, atol=1e-6
    )
    mixed = Ensemble([one, model(seed=3)])
    weights = after_the_fact(mixed)
    np.testing.assert_allclose(weights[0].sum(-1), 1, rtol=1e-5)
    assert abs(weights - after_the_fact(one)).max() > 0.01


@pytest.mark.parametrize("attention", ["location", "coverage", "monotonic", "local"])
def test_align_functions_that_remember_can_be_asked(attention):
    weights = after_the_fact(model(attention=attention))
    for row, length in enumerate(LENGTHS):
        sums = weights[row, :length].sum(-1)
        # Monotonic attention may find no place at all.
        assert np.all((abs(sums - 1) < 1e-5) | (sums == 0))


def test_what_lies_beyond_the_length_is_not_read():
    found = model()
    junk = np.where(np.arange(4) < LENGTHS[:, None], TARGET, 99)
    np.testing.assert_array_equal(
        after_the_fact(found, target=junk), after_the_fact(found)
    )


def test_rows_without_weights_stay_empty_and_nothing_overflows():
    weights = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.2, 0, 0.8]], "float32")
    log_p = np.array([[-1, -2, -3], [-1e9, -5, 0], [-800, 0, -900]], "float32")
    given = map(ops.convert_to_tensor, (weights, log_p))
    found = ops.convert_to_numpy(posterior_weights(*given))
    np.testing.assert_allclose(found, [[0, 0, 0], [0, 1, 0], [1, 0, 0]], atol=1e-7)
