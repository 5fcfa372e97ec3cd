"""Inputs with one value for each text."""

import numpy as np
import pytest

from keras_attn.serving.client.columns import max_lengths, penalties


@pytest.mark.parametrize("value", [[3, 4], (3, 4), np.array([3, 4])])
def test_one_for_each_text(value):
    np.testing.assert_array_equal(max_lengths(value, 2), [3, 4])
    assert max_lengths(value, 2).dtype == np.int32
    assert penalties(value, 2).dtype == np.float32


def test_the_models_own():
    np.testing.assert_array_equal(max_lengths(None, 2), [2**31 - 1] * 2)
    assert np.isnan(penalties(None, 3)).tolist() == [True] * 3
    assert len(penalties(None, 0)) == len(max_lengths(7, 0)) == 0


@pytest.mark.parametrize("value", [0, -1, 2**31, 1.5, "3", [3, 0], [None, 3]])
def test_lengths_that_are_none(value):
    with pytest.raises(ValueError, match=r"`max_length` must be a whole number from 1"):
        max_lengths(value, 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", [1, None]])
def test_penalties_that_are_none(value):
    with pytest.raises(ValueError, match=r"must be a finite number.*length_penalty="):
        penalties(value, 2)


def test_one_too_few():
    with pytest.raises(ValueError, match=r"one for each text.*=\[1\] for texts=2"):
        max_lengths([1], 2)
