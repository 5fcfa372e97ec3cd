"""The candidates for the next token, their log p, and the top entries of long rows."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn.decoding.candidates import (
    SpecialTokens,
    log_probabilities,
    top_entries,
)


def log_p_of_all(logits):
    ids = np.tile(np.arange(logits.shape[1], dtype="int32"), (len(logits), 1))
    log_probs = log_probabilities(
        ops.convert_to_tensor(logits), ops.convert_to_tensor(ids)
    )
    return ops.convert_to_numpy(log_probs)


def reference_log_p(logits):
    exact = logits.astype("float64")
    exact = exact - exact.max(-1, keepdims=True)
    return exact - np.log(np.exp(exact).sum(-1, keepdims=True))


def test_log_probabilities_are_over_the_whole_vocabulary():
    logits = np.random.default_rng(51).normal(scale=4, size=(3, 7)).astype("float16")
    log_p = log_p_of_all(logits)
    assert log_p.dtype == np.float32
    np.testing.assert_allclose(log_p, reference_log_p(logits), rtol=1e-6, atol=2e-7)


def test_log_probabilities_keep_their_digits_where_one_word_is_certain():
    logits = np.float32([[60.0, 0.0, 30.0], [-200.0, -300.0, -200.0]])
    np.testing.assert_allclose(
        log_p_of_all(logits), reference_log_p(logits), rtol=1e-6, atol=1e-6
    )


def test_infinite_logits_and_nan_become_impossible():
    logits = np.float32([[0.0, -np.inf, 0.0], [0.0, np.nan, 0.0], [0, np.inf, 0]])
    log_p = log_p_of_all(logits)
    np.testing.assert_allclose(log_p[0], [np.log(0.5), -1e9, np.log(0.5)], rtol=1e-6)
    assert (log_p[1:] == -1e9).all()


@pytest.mark.parametrize("forbidden", [(), (0, 3, 7)])
@pytest.mark.parametrize(("size", "count"), [(8, 3), (240, 10), (251, 4)])
def test_candidates_are_the_best_words_equal_ones_by_their_ids(size, count, forbidden):
    special = SpecialTokens(start_id=0, end_id=1, pad_id=0, forbidden_ids=forbidden)
    generator = np.random.default_rng(size + count)
    # Few different values: most are equal to others.
    logits = generator.integers(0, 30, size=(50, size)).astype("float32")
    logits[7] = -np.inf
    logits[7, 0] = 2
    logits[8] = np.nan
    candidates = special.candidates(
        ops.convert_to_tensor(logits), ops.zeros((50, 1), "bool"), count
    )
    ids, log_probs, truncated = map(ops.convert_to_numpy, candidates[:3])
    log_p = np.maximum(np.nan_to_num(reference_log_p(logits), nan=-1e9), -1e9)
    log_p[:, list(forbidden)] = -np.inf
    assert not truncated.any()
    for row in range(50):
        allowed = log_probs[row] > -np.inf
        best = np.argsort(-log_p[row], kind="stable")[:count]
        best = best[log_p[row][best] > -np.inf]
        if keras.backend.backend() != "torch":  # its top_k takes equal ones as it likes
            assert ids[row][allowed][:count].tolist() == best.tolist()
        np.testing.assert_allclose(
            log_probs[row][allowed][:count], log_p[row][best], rtol=1e-6, atol=2e-7
        )


def test_at_the_limit_the_end_token_is_the_only_candidate():
    special = SpecialTokens(start_id=0, end_id=2, pad_id=0, forbidden_ids=(0, 3))
    logits = np.tile(np.float32([9, 2, 1, 9]), (3, 1))
    logits[2, 2] = 3
    candidates = special.candidates(
        ops.convert_to_tensor(logits),
        ops.convert_to_tensor([[False], [True], [True]]),
        2,
    )
    ids, log_probs, truncated = map(ops.convert_to_numpy, candidates[:3])
    log_p = log_p_of_all(logits)
    # The probability of forbidden words is not given to the others.
    assert ids[0].tolist() == [0, 3, 1, 2]
    np.testing.assert_array_equal(log_probs[0], [-np.inf, -np.inf, *log_p[0, 1:3]])
    assert ids[1, 0] == ids[2, 0] == 2
    for row in (1, 2):
        np.testing.assert_array_equal(log_probs[row], [log_p[row, 2], *[-np.inf] * 3])
    assert truncated.tolist() == [False, True, False]


def reference_top(values, count):
    """The largest first, equal ones by the lower index."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(values, order, axis=1), order


def rows_with_ties(width):
    generator = np.random.default_rng(width)
    values = generator.integers(-5, 5, size=(6, width)).astype("float32")
    values[4, :-2] = -np.inf
    values[5] = -np.inf
    return values


@pytest.mark.parametrize("width", [4, 7, 31, 32, 33, 128, 1000])
def test_top_entries_of_a_known_width(width):
    values = rows_with_ties(width)
    top = top_entries(ops.convert_to_tensor(values), 4)
    for got, want in zip(top, reference_top(values, 4), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(got), want)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="only TensorFlow has graphs that do not know a width",
)
def test_top_entries_of_a_width_that_only_the_graph_knows():
    import tensorflow as tf

    traced = tf.function(
        lambda rows: top_entries(rows, 4), input_signature=[tf.TensorSpec([None, None])]
    )
    for width in (4, 7, 31, 32, 33, 128, 1000):
        values = rows_with_ties(width)
        for got, want in zip(traced(values), reference_top(values, 4), strict=True):
            np.testing.assert_array_equal(got, want)
    assert traced(values[:0])[0].shape == (0, 4)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="only TensorFlow has graphs that do not know a width",
)
def test_a_row_with_fewer_words_than_candidates_has_all_of_its_words():
    import tensorflow as tf

    special = SpecialTokens(start_id=0, end_id=1, pad_id=0, forbidden_ids=(0,))
    traced = tf.function(
        lambda logits: special.candidates(logits, tf.zeros_like(logits[:, :1]) > 0, 9),
        input_signature=[tf.TensorSpec([None, None])],
    )
    logits = np.float32([[0, 1, 3, 2], [np.nan, 0, 0, 0]])
    ids, log_probs, _ = (value.numpy() for value in traced(logits)[:3])
    log_p = log_p_of_all(logits)
    assert ids.max() < 4
    allowed = log_probs > -np.inf
    assert ids[0][allowed[0]].tolist() == [2, 3, 1]
    np.testing.assert_allclose(log_probs[0][allowed[0]], log_p[0, [2, 3, 1]], rtol=1e-6)
    assert ids[1][allowed[1]].tolist() == [1, 2, 3]  # all are impossible
