"""The rule for the next token, and what a broken decoder may not do to it."""

import numpy as np
import pytest
from keras import ops

from keras_attn.decoding import beam_search, greedy_search
from keras_attn.decoding.candidates import SpecialTokens, log_probabilities


def test_log_probabilities_are_those_of_the_whole_vocabulary():
    logits = np.random.default_rng(51).normal(scale=4, size=(3, 7)).astype("float16")
    got = ops.convert_to_numpy(log_probabilities(ops.convert_to_tensor(logits)))
    exact = logits.astype("float64")
    exact -= np.log(np.exp(exact).sum(-1, keepdims=True))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, exact, rtol=1e-5)


def test_what_is_no_number_becomes_impossible():
    logits = np.float32([[0.0, -np.inf, 0.0], [0.0, np.nan, 0.0]])
    got = ops.convert_to_numpy(log_probabilities(ops.convert_to_tensor(logits)))
    np.testing.assert_allclose(got[0], [np.log(0.5), -1e9, np.log(0.5)], rtol=1e-6)
    assert got[1].tolist() == [-1e9, -1e9, -1e9]


def test_only_the_end_is_left_at_the_limit():
    special = SpecialTokens(start_id=0, end_id=2, pad_id=0, forbidden_ids=(0, 3))
    logits = np.tile(np.float32([9, 2, 1, 9]), (2, 1))
    scores, cut = special.candidates(
        ops.convert_to_tensor(logits), ops.convert_to_tensor([False, True])
    )
    scores, log_p = ops.convert_to_numpy(scores), log_probabilities(logits)
    log_p = ops.convert_to_numpy(log_p)
    # Nobody gets the probability of the forbidden.
    np.testing.assert_array_equal(scores[0], [-np.inf, *log_p[0, 1:3], -np.inf])
    np.testing.assert_array_equal(scores[1], [-np.inf, -np.inf, log_p[1, 2], -np.inf])
    assert ops.convert_to_numpy(cut).tolist() == [False, True]


@pytest.mark.parametrize(
    ("search", "options"), [(greedy_search, {}), (beam_search, {"beam_size": 3})]
)
def test_a_broken_row_ends_and_spoils_no_other(scripted, search, options):
    script = scripted.Script(seed=52, rows=3, vocabulary_size=5)
    clean = script.search(search, [4, 4, 4], **options)
    script.table[1] = np.nan
    broken = script.search(search, [4, 4, 4], **options)
    assert not np.isnan(broken.scores).any()
    assert broken.lengths[1].max() <= 4
    for want, got in zip(clean, broken, strict=True):
        if want.ndim == 2:
            np.testing.assert_array_equal(got[::2], want[::2])
