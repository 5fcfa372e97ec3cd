"""Gradients are finite, and not zero for any weight."""

import layer_tools
import numpy as np
import pytest
from conformance_layers import LAYERS

LEARNING = [case for case in LAYERS if case.has_weights and case.learns]
WITH_SOURCE = [case for case in LEARNING if case.has_source_mask]


def name_of(case):
    return case.name


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_has_weights_or_says_that_it_has_none(case):
    assert bool(case.shared.weights) == case.has_weights


@pytest.mark.parametrize("case", LEARNING, ids=name_of)
def test_every_weight_gets_a_finite_gradient_that_is_not_zero(case):
    layer_tools.check_all_finite_and_nonzero(case.gradients(case.arrays()))


@pytest.mark.parametrize("case", WITH_SOURCE, ids=name_of)
def test_gradients_are_finite_where_a_source_has_no_token(case):
    gradients = case.gradients(case.with_empty_source(case.arrays(), row=1))
    for path, gradient in gradients.items():
        assert gradient is not None, path
        assert np.isfinite(gradient).all(), path
