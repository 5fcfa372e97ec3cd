"""The rule for the next token, and what a broken decoder may not do to it."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn.decoding import beam_search, greedy_search
from keras_attn.decoding.candidates import SpecialTokens, log_probabilities


def all_log_p(logits):
    ids = np.tile(np.arange(logits.shape[1], dtype="int32"), (len(logits), 1))
    found = log_probabilities(ops.convert_to_tensor(logits), ops.convert_to_tensor(ids))
    return ops.convert_to_numpy(found)


def exact_log_p(logits):
    exact = logits.astype("float64")
    exact = exact - exact.max(-1, keepdims=True)
    return exact - np.log(np.exp(exact).sum(-1, keepdims=True))


def test_log_probabilities_are_those_of_the_whole_vocabulary():
    logits = np.random.default_rng(51).normal(scale=4, size=(3, 7)).astype("float16")
    got = all_log_p(logits)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, exact_log_p(logits), rtol=1e-6, atol=2e-7)


def test_log_probabilities_keep_their_digits_where_one_word_is_sure():
    logits = np.float32([[60.0, 0.0, 30.0], [-200.0, -300.0, -200.0]])
    np.testing.assert_allclose(
        all_log_p(logits), exact_log_p(logits), rtol=1e-6, atol=1e-6
    )


def test_what_is_no_number_becomes_impossible():
    logits = np.float32([[0.0, -np.inf, 0.0], [0.0, np.nan, 0.0], [0, np.inf, 0]])
    got = all_log_p(logits)
    np.testing.assert_allclose(got[0], [np.log(0.5), -1e9, np.log(0.5)], rtol=1e-6)
    assert (got[1:] == -1e9).all()


@pytest.mark.parametrize("forbidden", [(), (0, 3, 7)])
@pytest.mark.parametrize(("size", "count"), [(8, 3), (240, 4), (240, 10), (251, 4)])
def test_candidates_are_the_best_words_equal_ones_by_their_ids(size, count, forbidden):
    special = SpecialTokens(start_id=0, end_id=1, pad_id=0, forbidden_ids=forbidden)
    generator = np.random.default_rng(size + count)
    # Few different values: most are equal to others.
    logits = generator.integers(0, 30, size=(50, size)).astype("float32")
    logits[7] = -np.inf
    logits[7, 0] = 2
    logits[8] = np.nan
    found = special.candidates(
        ops.convert_to_tensor(logits), ops.zeros((50,), "bool"), count
    )
    log_p = np.maximum(np.nan_to_num(exact_log_p(logits), nan=-1e9), -1e9)
    log_p[:, list(forbidden)] = -np.inf
    ids, scores, cut = map(ops.convert_to_numpy, found)
    assert not cut.any()
    for row in range(50):
        kept = scores[row] > -np.inf
        want = np.argsort(-log_p[row], kind="stable")[:count]
        want = want[log_p[row][want] > -np.inf]
        got = ids[row][kept][:count]
        if keras.backend.backend() != "torch":  # its top_k takes equal ones as it likes
            assert got.tolist() == want.tolist()
        np.testing.assert_allclose(
            scores[row][kept][:count], log_p[row][want], rtol=1e-6, atol=2e-7
        )


def test_only_the_end_is_left_at_the_limit():
    special = SpecialTokens(start_id=0, end_id=2, pad_id=0, forbidden_ids=(0, 3))
    logits = np.tile(np.float32([9, 2, 1, 9]), (3, 1))
    logits[2, 2] = 3
    found = special.candidates(
        ops.convert_to_tensor(logits), ops.convert_to_tensor([False, True, True]), 2
    )
    ids, scores, cut = map(ops.convert_to_numpy, found)
    log_p = all_log_p(logits)
    # Nobody gets the probability of the forbidden.
    assert ids[0].tolist() == [0, 3, 1, 2]
    np.testing.assert_array_equal(scores[0], [-np.inf, -np.inf, *log_p[0, 1:3]])
    assert ids[1, 0] == ids[2, 0] == 2
    for row in (1, 2):
        np.testing.assert_array_equal(scores[row], [log_p[row, 2], *[-np.inf] * 3])
    assert cut.tolist() == [False, True, False]


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
