"""The same model, data and first weights give the same training on every backend."""

import json
import pathlib

import backend_agreement
import numpy as np
import pytest

RECORDED = json.loads((pathlib.Path(__file__).parent / "losses.json").read_text())


@pytest.mark.parametrize("optimizer", backend_agreement.OPTIMIZERS)
def test_losses_agree_across_backends(optimizer):
    want = np.array(RECORDED["losses"][optimizer])
    got = np.array(backend_agreement.losses(optimizer))
    assert want.shape == (backend_agreement.UPDATES,)
    assert want[-1] < 0.7 * want[0]  # it does learn
    # The first loss is one forward pass: the order of sums of float32 and no more.
    np.testing.assert_allclose(got[0], want[0], rtol=1e-6)
    # Each update adds to the difference, and Adam divides small gradients by their
    # own size.
    np.testing.assert_allclose(got, want, rtol=1e-4)
