"""Padding and the rest of the batch change nothing; an empty source gives zeros."""

import numpy as np
import pytest
from conformance_case import LENGTHS, SIZES
from conformance_layers import LAYERS

WITH_SOURCE = [case for case in LAYERS if case.has_source_mask]
ATTENTION = [case for case in LAYERS if case.attention_outputs]
# Other shapes mean other orders of summing float32, through at most a dozen steps.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def name_of(case):
    return case.name


@pytest.mark.parametrize("case", WITH_SOURCE, ids=name_of)
def test_longer_padding_with_any_content_changes_nothing(case):
    want = case.run(case.arrays())
    wide = case.run(case.with_longer_padding(case.arrays()))
    for actual, expected in zip(wide, want, strict=True):
        # What is longer than before is so along the source, and empty there.
        old = tuple(slice(size) for size in expected.shape)
        np.testing.assert_allclose(actual[old], expected, **CLOSE)
        rest = actual.copy()
        rest[old] = 0
        np.testing.assert_array_equal(rest, 0)


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_the_rest_of_the_batch_changes_nothing(case):
    inputs = case.arrays()
    want = case.run(inputs)
    for row in range(SIZES["B"]):
        alone = {name: value[row : row + 1] for name, value in inputs.items()}
        for actual, expected in zip(case.run(alone), want, strict=True):
            np.testing.assert_allclose(actual[0], expected[row], **CLOSE)


@pytest.mark.parametrize("case", WITH_SOURCE, ids=name_of)
def test_an_empty_source_gives_zeros_and_changes_no_other(case):
    usual = case.run(case.arrays())
    results = case.run(case.with_empty_source(case.arrays(), row=1))
    for index, (actual, expected) in enumerate(zip(results, usual, strict=True)):
        assert np.isfinite(actual).all()
        if index in case.zero_outputs:
            np.testing.assert_array_equal(actual[1], 0)
        np.testing.assert_allclose(actual[[0, 2]], expected[[0, 2]], **CLOSE)


@pytest.mark.parametrize("case", ATTENTION, ids=name_of)
def test_attention_is_a_distribution_over_real_tokens(case):
    results = case.run(case.arrays())
    real = np.arange(SIZES["S"]) < LENGTHS
    for index in case.attention_outputs:
        weights = np.moveaxis(results[index], -1, 1)  # (B, S) or (B, S, T)
        assert results[index].dtype == "float32"
        assert (weights >= 0).all()
        np.testing.assert_array_equal(weights[~real], 0)
        total = results[index].sum(axis=-1)
        assert (total <= 1 + 1e-5).all()
        if case.sums_to_one:
            # A sum of at most five float32.
            np.testing.assert_allclose(total, 1, rtol=1e-5)
