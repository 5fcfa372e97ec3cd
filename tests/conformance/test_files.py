"""A `.keras` file restores a layer bit by bit."""

import keras
import layer_tools
import numpy as np
import pytest
from conformance_layers import LAYERS


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)
def test_a_file_restores_it_bit_by_bit(case, tmp_path):
    layer = case.create_randomised()
    inputs = case.symbols(unknown=True)
    model = keras.Model(inputs, case.call(layer, inputs))
    expected = layer_tools.arrays(model(case.arrays()))
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert len(restored.weights) == len(model.weights) == len(layer.weights)
    outputs = layer_tools.arrays(restored(case.arrays()))
    for output, want in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(output, want)
