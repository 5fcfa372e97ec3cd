import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import backend, ops

from keras_attn import masking


@pytest.mark.parametrize("pad_id", [0, 9])
def test_mask_from_ids(pad_id):
    ids = np.array([[4, 9, 0], [0, 9, 9]])
    mask = masking.mask_from_ids(ids, pad_id)
    assert backend.standardize_dtype(mask.dtype) == "bool"
    np.testing.assert_array_equal(mask, ids != pad_id)


# TensorFlow's first call in a process takes longer than hypothesis's deadline.
@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.integers(6, 8))
def test_lengths_to_mask_and_back(lengths, size):
    mask = masking.mask_from_lengths(np.array(lengths), size)
    want = [[position < length for position in range(size)] for length in lengths]
    np.testing.assert_array_equal(mask, want)
    again = masking.lengths_from_mask(mask)
    assert backend.standardize_dtype(again.dtype) == "int32"
    assert ops.convert_to_numpy(again).tolist() == lengths


def test_lengths_beyond_the_size_fill_the_row():
    mask = masking.mask_from_lengths(np.array([9]), 3)
    assert ops.convert_to_numpy(mask).tolist() == [[True, True, True]]


def test_masked_mean_is_over_real_rows_and_zeros_without_any():
    values = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    mask = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], bool)
    means = masking.masked_mean(ops.convert_to_tensor(values), mask)
    np.testing.assert_allclose(means[0], values[0].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(means[1], values[1, [0, 2]].mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(means[2], 0)
