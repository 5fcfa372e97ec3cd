"""Training gives the same losses on every backend."""

import json
import pathlib

import backend_agreement
import numpy as np
import pytest

RECORDED = json.loads((pathlib.Path(__file__).parent / "losses.json").read_text())


@pytest.mark.parametrize("optimizer", backend_agreement.OPTIMIZERS)
def test_losses_agree_across_backends(optimizer):
    expected = np.array(RECORDED["losses"][optimizer])
    got = np.array(backend_agreement.losses(optimizer))
    assert expected.shape == (backend_agreement.UPDATES,)
    assert expected[-1] < 0.7 * expected[0]  # it does learn
    # The first loss is one forward pass: the order of sums of float32 and no more.
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-6)
    # Each update adds to the difference, and Adam divides small gradients by their
    # own size.
    np.testing.assert_allclose(got, expected, rtol=1e-4)
