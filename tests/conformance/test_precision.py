"""Mixed precision: float32 weights, half-wide tensors, float32 attention."""

import keras
import layer_tools
import numpy as np
import pytest
from conformance_layers import LAYERS


def name_of(case):
    return case.name


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_mixed_precision(case, policy):
    keras.config.set_dtype_policy(policy)
    layer = case.create_randomised()
    assert {weight.dtype for weight in layer.trainable_weights} <= {"float32"}
    run = layer_tools.quick(lambda inputs: case.call(layer, inputs))
    results = keras.tree.flatten(run(case.arrays()))
    for index, result in enumerate(results):
        dtype = keras.backend.standardize_dtype(result.dtype)
        if keras.backend.is_float_dtype(dtype):
            assert np.isfinite(np.float32(layer_tools.array(result))).all()
            expected = (
                "float32" if index in case.attention_outputs else layer.compute_dtype
            )
            assert dtype == expected, index
