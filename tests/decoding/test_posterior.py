"""Posterior attention against Bayes' rule, one source position at a time."""

import layer_tools
import numpy as np
import pytest
import tiny
from keras import ops

from keras_attn import Seq2Seq
from keras_attn.decoding import score_targets
from keras_attn.decoding.forced import posterior_weights
from keras_attn.layers.decoder.state import Memory
from keras_attn.models import Ensemble

SOURCE = np.array([[7, 8, 9, 5, 3], [6, 4, 3, 0, 0], [3, 0, 0, 0, 0]])
TARGET = np.array([[5, 8, 6, 3], [4, 3, 0, 0], [9, 9, 9, 3]])
LENGTHS = np.array([4, 2, 4])


def model(seed=0, **changed):
    return layer_tools.randomise(Seq2Seq(tiny.config(**changed)), seed, scale=0.6)


def posterior(model, source=SOURCE, target=TARGET, lengths=LENGTHS):
    state, memory = model.encode(source)
    forced = score_targets(
        model.step,
        state,
        memory,
        target_ids=target,
        target_lengths=lengths,
        start_id=tiny.START,
        at_position=model.restrict_to_position,
    )
    return ops.convert_to_numpy(forced.attention)[:, 0]


def reference_posterior(model):
    """One row, step and position at a time, from memories with that position only."""
    weights = np.zeros((*TARGET.shape, SOURCE.shape[1]))
    for row, length in enumerate(LENGTHS):
        state, memory = model.encode(SOURCE[row : row + 1])
        previous = tiny.START
        for t, word in enumerate(TARGET[row, :length]):
            token = np.array([previous])
            joint = np.zeros(SOURCE.shape[1])
            for position in np.flatnonzero(SOURCE[row]):
                only = slice(position, position + 1)
                alone = Memory(
                    memory.values[:, only],
                    None if memory.keys is None else memory.keys[:, only],
                    memory.mask[:, only],
                    memory.summary,
                )
                logits = ops.convert_to_numpy(model.step(token, state, alone)[0])[0]
                p = np.exp(logits - logits.max())
                joint[position] = p[word] / p.sum()
            _, state, prior = model.step(token, state, memory)
            joint *= ops.convert_to_numpy(prior)[0]
            weights[row, t] = joint / joint.sum()
            previous = word
    return weights


@pytest.mark.parametrize("order", ["bahdanau", "conditional"])
def test_is_bayes_rule_over_single_positions(order):
    seq2seq = model(order=order)
    np.testing.assert_allclose(
        posterior(seq2seq), reference_posterior(seq2seq), atol=2e-6
    )


def test_a_pair_is_the_same_alone_and_in_a_batch():
    seq2seq = model(seed=1)
    together = posterior(seq2seq)
    for row, length in enumerate(LENGTHS):
        width = np.count_nonzero(SOURCE[row])
        alone = posterior(
            seq2seq,
            SOURCE[row : row + 1, :width],
            TARGET[row : row + 1, :length],
            LENGTHS[row : row + 1],
        )
        np.testing.assert_allclose(
            together[row, :length, :width], alone[0], rtol=1e-5, atol=1e-7
        )
        assert not together[row, length:].any()
        assert not together[row, :, width:].any()


def test_an_ensemble_has_a_posterior_of_its_own():
    one = model(seed=2)
    alone = posterior(one)
    np.testing.assert_allclose(
        posterior(Ensemble([one, model(seed=2)])), alone, rtol=1e-4, atol=1e-6
    )
    weights = posterior(Ensemble([one, model(seed=3)]))
    np.testing.assert_allclose(weights[0].sum(-1), 1, rtol=1e-5)
    assert abs(weights - alone).max() > 0.01


@pytest.mark.parametrize("attention", ["location", "coverage", "monotonic", "local"])
def test_rows_sum_to_one_whatever_the_align_function(attention):
    weights = posterior(model(attention=attention))
    for row, length in enumerate(LENGTHS):
        sums = weights[row, :length].sum(-1)
        # Monotonic attention may find no position at all.
        assert np.all((abs(sums - 1) < 1e-5) | (sums == 0))


def test_ids_beyond_the_length_are_ignored():
    seq2seq = model()
    junk = np.where(np.arange(4) < LENGTHS[:, None], TARGET, 99)
    np.testing.assert_array_equal(posterior(seq2seq, target=junk), posterior(seq2seq))


def test_rows_without_weights_stay_zero_and_nothing_overflows():
    weights = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.2, 0, 0.8]], "float32")
    log_p = np.array([[-1, -2, -3], [-1e9, -5, 0], [-800, 0, -900]], "float32")
    result = posterior_weights(*map(ops.convert_to_tensor, (weights, log_p)))
    np.testing.assert_allclose(
        ops.convert_to_numpy(result), [[0, 0, 0], [0, 1, 0], [1, 0, 0]], atol=1e-7
    )
