"""Every call and every trace draws new dropout masks."""

import keras
import layer_tools
import numpy as np
import pytest
from conformance_layers import LAYERS

WITH_DROPOUT = [case for case in LAYERS if case.layer_with_dropout]
BACKEND = keras.backend.backend()


def name_of(case):
    return case.name


def training_run(case, layer):
    """A new trace of the layer in training; eager on PyTorch, which has none."""
    if BACKEND == "tensorflow":
        return layer_tools.graph(lambda inputs: case.call(layer, inputs, training=True))
    if BACKEND == "torch":
        return lambda inputs: case.call(layer, inputs, training=True)
    states = layer.non_trainable_variables  # of the random generators

    def stateless(values, inputs):
        with keras.StatelessScope(list(zip(states, values, strict=True))) as scope:
            results = case.call(layer, inputs, training=True)
        return results, [scope.get_current_value(state) for state in states]

    compiled = layer_tools.xla(stateless)

    def run(inputs):
        results, after = compiled([state.value for state in states], inputs)
        for state, value in zip(states, after, strict=True):
            state.assign(value)
        return results

    return run


@pytest.mark.parametrize("case", WITH_DROPOUT, ids=name_of)
def test_two_traces_and_eager_calls_draw_new_masks(case):
    layer = case.create_randomised(with_dropout=True)
    inputs = case.arrays()
    draws = []
    for batch in (
        inputs,
        case.with_longer_padding(inputs) if case.has_source_mask else inputs,
    ):
        run = training_run(case, layer)
        for results in (
            run(batch),
            run(batch),
            case.call(layer, batch, training=True),  # eager, after a trace
        ):
            arrays = layer_tools.arrays(results)
            assert all(np.isfinite(array).all() for array in arrays)
            draws.append(b"".join(array.tobytes() for array in arrays))
    assert len(set(draws)) == len(draws)


@pytest.mark.parametrize("case", WITH_DROPOUT, ids=name_of)
def test_no_dropout_outside_of_training(case):
    layer = case.create_randomised(with_dropout=True)
    first, second = (
        layer_tools.arrays(case.call(layer, case.arrays(), training=False))
        for _ in range(2)
    )
    for actual, expected in zip(first, second, strict=True):
        np.testing.assert_array_equal(actual, expected)
