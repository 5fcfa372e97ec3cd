"""The sums over alignments, against all alignments written out one by one."""

import itertools

import numpy as np
import pytest

from keras_attn.training.alignment.forward_backward import forward_backward


def by_brute_force(emissions, null_emissions, jumps, p_null):
    """Goes over every alignment of one pair; -1 stands for no source word."""
    length, sources = emissions.shape
    links, nulls = np.zeros((length, sources)), np.zeros(length)
    moves = np.zeros((sources + 1, sources))
    total = 0.0
    for alignment in itertools.product(range(-1, sources), repeat=length):
        p, last, taken = 1.0, -1, []
        for t, source in enumerate(alignment):
            if source < 0:
                p *= p_null * null_emissions[t]
            else:
                p *= (1 - p_null) * jumps[last + 1, source] * emissions[t, source]
                taken.append((last + 1, source))
                last = source
        total += p
        for t, source in enumerate(alignment):
            if source < 0:
                nulls[t] += p
            else:
                links[t, source] += p
        for move in taken:
            moves[move] += p
    return links / total, nulls / total, moves / total, np.log(total)


@pytest.mark.parametrize(("length", "sources"), [(1, 1), (1, 3), (4, 1), (4, 3)])
def test_posteriors_are_those_of_all_alignments(length, sources):
    random = np.random.default_rng(7)
    emissions = random.uniform(0.01, 1, (2, length, sources))
    nulls = random.uniform(0.01, 1, (2, length))
    jumps = random.uniform(0.1, 1, (sources + 1, sources))
    jumps /= jumps.sum(axis=1, keepdims=True)
    found = forward_backward(emissions, nulls, jumps, 0.3)
    expected = [by_brute_force(emissions[b], nulls[b], jumps, 0.3) for b in range(2)]
    for b in range(2):
        np.testing.assert_allclose(found.links[b], expected[b][0], rtol=1e-10)
        np.testing.assert_allclose(found.nulls[b], expected[b][1], rtol=1e-10)
        np.testing.assert_allclose(found.log_likelihood[b], expected[b][3])
    np.testing.assert_allclose(found.jumps, sum(each[2] for each in expected))


def test_long_sentences_do_not_underflow():
    emissions = np.full((1, 2000, 50), 1e-9)
    jumps = np.full((51, 50), 1 / 50)
    found = forward_backward(emissions, np.full((1, 2000), 1e-9), jumps, 0.2)
    np.testing.assert_allclose(found.links, 0.8 / 50)
    np.testing.assert_allclose(found.nulls, 0.2)
    np.testing.assert_allclose(found.log_likelihood, 2000 * np.log(1e-9))
