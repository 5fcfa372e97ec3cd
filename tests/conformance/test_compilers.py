"""Symbolic calls, eager calls, graphs and XLA agree."""

import keras
import layer_tools
import numpy as np
import pytest
from conformance_layers import LAYERS

COMPILERS = {
    "tensorflow": [layer_tools.graph, layer_tools.xla],
    "jax": [layer_tools.xla],
    "torch": [layer_tools.xla],  # skipped there, saying why
}[keras.backend.backend()]


def name_of(case):
    return case.name


def spec(tensor):
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return tuple(tensor.shape), dtype


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_symbols_have_the_shapes_and_dtypes_of_tensors(case):
    layer = case.shared
    results = case.call(layer, case.arrays())
    want = [spec(each) for each in keras.tree.flatten(results)]
    known = case.call(layer, case.symbols(unknown=False))
    assert [spec(each) for each in keras.tree.flatten(known)] == want
    unknown = case.call(layer, case.symbols(unknown=True))
    for each, (shape, dtype) in zip(keras.tree.flatten(unknown), want, strict=True):
        assert each.dtype == dtype
        assert len(each.shape) == len(shape)
        assert each.shape[0] is None
        for actual, size in zip(each.shape[1:], shape[1:], strict=True):
            assert actual in (None, size)


@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_compiled_equals_eager(case, compiler):
    layer = case.shared
    run = compiler(lambda inputs: case.call(layer, inputs))
    got = layer_tools.arrays(run(case.arrays()))
    want = layer_tools.arrays(case.call(layer, case.arrays()))
    for actual, expected in zip(got, want, strict=True):
        assert actual.dtype == expected.dtype
        # Compilers reorder sums of float32 and have a tanh of their own.
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
