import layer_tools
import numpy as np
import pytest
import reference

from keras_attn import Readout

GENERATOR = np.random.default_rng(0)
SIZES = {"state": 4, "context": 6, "previous": 3}


def inputs(*leading):
    return {
        name: GENERATOR.normal(size=(*leading, size)).astype("float32")
        for name, size in SIZES.items()
    }


@pytest.mark.parametrize("leading", [(2,), (2, 5)], ids=["step", "whole targets"])
def test_equals_the_formula(leading):
    readout, batch = Readout(8), inputs(*leading)
    readout(**batch)
    layer_tools.randomise(readout)
    got = readout(**batch)
    assert got.shape == (*leading, 8)
    for place in np.ndindex(*leading):
        mixed = np.concatenate([batch[name][place] for name in SIZES])
        expected = reference.dense_tanh(readout.mix, np.float64(mixed))
        # float32 against float64 over sums of 13 terms.
        np.testing.assert_allclose(got[place], expected, rtol=1e-5, atol=1e-6)
    layer_tools.check_gradients(readout, lambda: readout(**batch))


@pytest.mark.parametrize("dropout", [-0.1, 1, "0.5", None])
def test_refuses_dropout(dropout):
    with pytest.raises(ValueError, match=rf"rate in \[0, 1\).*dropout={dropout!r}"):
        Readout(8, dropout=dropout)


def test_refuses_units():
    with pytest.raises(ValueError, match=r"`units` must be .*units=0"):
        Readout(0)
