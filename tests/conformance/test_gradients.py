"""Every weight learns, and nothing that is masked teaches it."""

import layer_tools
import numpy as np
import pytest
from conformance_layers import LAYERS

LEARNING = [case for case in LAYERS if case.has_weights and case.learns]
WITH_SOURCE = [case for case in LEARNING if case.reads_a_source]


def name_of(case):
    return case.name


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_has_weights_or_says_that_it_has_none(case):
    assert bool(case.shared.weights) == case.has_weights


@pytest.mark.parametrize("case", LEARNING, ids=name_of)
def test_every_weight_gets_a_finite_gradient_that_is_not_zero(case):
    layer_tools.check_found(case.gradients(case.arrays()))


@pytest.mark.parametrize("case", WITH_SOURCE, ids=name_of)
def test_gradients_are_finite_where_a_source_has_no_token(case):
    found = case.gradients(case.without_source(case.arrays(), row=1))
    for path, gradient in found.items():
        assert gradient is not None, path
        assert np.isfinite(gradient).all(), path
