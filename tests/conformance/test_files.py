"""A layer is what its configuration says, and a file brings it back bit by bit."""

import keras
import layer_tools
import numpy as np
import pytest
from conformance_layers import LAYERS


def name_of(case):
    return case.name


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_config_survives_json(case):
    for layer in (case.layer(), *([case.noisy()] if case.noisy else [])):
        again = layer_tools.through_json(layer)
        assert type(again) is type(layer)
        assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_a_file_restores_it_bit_by_bit(case, tmp_path):
    layer = case.made()
    inputs = case.symbols(unknown=True)
    model = keras.Model(inputs, case.call(layer, inputs))
    want = layer_tools.arrays(model(case.arrays()))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert len(again.weights) == len(model.weights) == len(layer.weights)
    got = layer_tools.arrays(again(case.arrays()))
    for have, expected in zip(got, want, strict=True):
        np.testing.assert_array_equal(have, expected)
