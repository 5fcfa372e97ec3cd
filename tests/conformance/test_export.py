"""Keras's export of a functional model gives its numbers at other sizes too."""

import keras
import layer_tools
import numpy as np
import pytest
from conformance_layers import LAYERS

# Keras exports a call for inference.
CASES = [case for case in LAYERS if not case.options.get("training")]


@pytest.mark.slow  # traces and writes a SavedModel for each layer
@pytest.mark.skipif(
    layer_tools.BACKEND != "tensorflow", reason="exported by TensorFlow"
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_export_serves_the_same_numbers(case, tmp_path):
    import tensorflow as tf

    inputs = case.symbols(unknown=True)
    model = keras.Model(inputs, case.call(case.create_randomised(), inputs))
    model.export(tmp_path / "export", verbose=False)
    exported = tf.saved_model.load(tmp_path / "export")
    batch = case.arrays()
    one_row = {name: value[:1] for name, value in batch.items()}
    for inputs in (batch, case.with_longer_padding(batch), one_row):
        inputs = keras.tree.map_structure(tf.constant, inputs)
        outputs = layer_tools.arrays(exported.serve(inputs))
        expected = layer_tools.arrays(model(inputs))
        for output, want in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(output, want, rtol=1e-5, atol=1e-5)
