"""Every decoder of the list goes on from the state that it returned."""

import keras
import layer_tools
import numpy as np
import pytest
from conformance_layers import DECODERS
from conformance_wrappers import TwoHalves


@pytest.mark.parametrize(
    "case",
    [case for case in DECODERS if case.wrap is not TwoHalves],
    ids=lambda case: case.name,
)
def test_two_calls_in_sequence_are_one_call(case):
    decoder, inputs = case.create_randomised(), case.arrays()
    decoder.return_state = True

    def whole(inputs):
        return case.call(decoder, inputs)

    def in_two_calls(inputs):
        state, halves = None, []
        for half in (inputs["inputs"][:, :1], inputs["inputs"][:, 1:]):
            call = {**inputs, "inputs": half}
            *outputs, state = case.call(decoder, call, initial_state=state)
            halves.append(outputs)
        pairs = zip(*halves, strict=True)
        return *(keras.ops.concatenate(pair, axis=1) for pair in pairs), state

    want = layer_tools.quick(whole)(inputs)
    got = layer_tools.quick(in_two_calls)(inputs)
    keras.tree.assert_same_structure(got, want)
    for actual, expected in zip(
        layer_tools.arrays(got), layer_tools.arrays(want), strict=True
    ):
        # The same operations on the same numbers, compiled once or twice.
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
