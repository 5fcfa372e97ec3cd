"""Masks that Keras carries, masks that do not fit, and empty inputs, for all layers."""

import keras
import layer_tools
import numpy as np
import pytest
from conformance_case import LENGTHS, SIZES, UNKNOWN
from conformance_layers import LAYERS, RNN_CELLS, STEP_CELLS

from keras_attn.masking import attach_mask

# Which argument a mask is of; `keras.layers.RNN` calls its mask `mask`.
MASKED = {
    "memory_mask": "memory",
    "ids_mask": "ids",
    "features_mask": "features",
    "mask": "sequences",
}
WITH_MASK = [case for case in LAYERS if case.inputs.keys() & MASKED.keys()]
OURS = [case for case in WITH_MASK if case not in RNN_CELLS]
# The wrappers of these in the list read the first steps, or are Keras's own.
EMPTY = [
    (case, axis)
    for case in LAYERS
    for axis in "BST"
    if any(axis in spec.split()[1] for spec in case.inputs.values())
    if not (axis == "T" and (case in STEP_CELLS or "from states" in case.name))
    if not (axis == "S" and case in RNN_CELLS)
]


def name_of(case):
    return case.name


def mask_and_sequence(case):
    (mask,) = case.inputs.keys() & MASKED.keys()
    return mask, MASKED[mask]


def run(case, inputs, compiled=layer_tools.quick):
    layer = case.shared  # created outside of the trace
    return layer_tools.arrays(compiled(lambda inputs: case.call(layer, inputs))(inputs))


@pytest.mark.parametrize("case", WITH_MASK, ids=name_of)
def test_a_carried_mask_is_used_and_an_explicit_one_wins(case):
    mask, sequence = mask_and_sequence(case)
    inputs = case.arrays()
    want = case.run(inputs)

    def carried(inputs, **explicit):
        masked = attach_mask(
            keras.ops.convert_to_tensor(inputs[sequence]), inputs[mask]
        )
        arguments = {**inputs, sequence: masked, mask: None, **explicit}
        return case.call(case.shared, arguments)

    def contradicted(inputs):
        wrong = keras.ops.logical_not(inputs[mask])
        return carried({**inputs, mask: wrong}, **{mask: inputs[mask]})

    for function in (carried, contradicted):
        got = layer_tools.arrays(layer_tools.quick(function)(inputs))
        for actual, expected in zip(got, want, strict=True):
            # Compiled apart, sums may be in another order.
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize("case", OURS, ids=name_of)
def test_masks_that_do_not_fit_are_refused_by_name(case, traced):
    mask, _ = mask_and_sequence(case)
    inputs = case.arrays()
    compiled = layer_tools.graph if traced else layer_tools.eager
    good = inputs[mask]
    for wrong, rule in [
        (np.where(good, 0.0, -1e9).astype("float32"), f"{mask} of dtype float32"),
        (good.astype("int32"), f"{mask} of dtype int32"),
        (good[:, :-1], rf"must agree in S.*{mask} of shape \(3, 4\)"),
        (good[:-1], rf"must agree in B.*{mask} of shape \(2, 5\)"),
        (good[0], rf"`{mask}` must have shape \(B, S\).*of shape \(5,\)"),
    ]:
        with pytest.raises(ValueError, match=rule):
            run(case, {**inputs, mask: wrong}, compiled)


@pytest.mark.parametrize("case", OURS, ids=name_of)
def test_symbolic_masks_that_are_not_boolean_are_refused_by_name(case):
    mask, _ = mask_and_sequence(case)
    symbols = case.symbols(unknown=True)
    symbols[mask] = keras.Input((None,), dtype="int32")
    with pytest.raises(ValueError, match=f"{mask} of dtype int32"):
        case.call(case.shared, symbols)


def empty_arrays(case, axis):
    """The call arguments with no entry along `axis`."""
    inputs = case.arrays()
    for name in inputs:
        _, axes = case.spec(name)
        if axis in axes:
            inputs[name] = inputs[name].take([], axis=axes.index(axis))
    return inputs


def unknown_sizes(case):
    """A TensorFlow function that knows no size of `UNKNOWN` axes."""
    import tensorflow as tf

    signature = {
        name: tf.TensorSpec(
            [None if axis in UNKNOWN else SIZES[axis] for axis in case.spec(name)[1]],
            value.dtype,
        )
        for name, value in case.arrays().items()
    }
    return lambda function: tf.function(
        function, input_signature=[signature], autograph=False
    )


def check_empty(case, axis, results):
    usual = case.run(case.arrays())
    assert [result.ndim for result in results] == [result.ndim for result in usual]
    for index, (result, old) in enumerate(zip(results, usual, strict=True)):
        assert np.isfinite(np.float32(result)).all()
        if axis == "B":
            assert result.shape == (0, *old.shape[1:])
        elif axis == "T" and old.shape[1:2] == (SIZES["T"],):
            assert result.shape == (len(LENGTHS), 0, *old.shape[2:])
        elif axis == "S" and index in case.zero_outputs:
            np.testing.assert_array_equal(result, np.zeros(result.shape))


@pytest.mark.parametrize("compiled", ["eager", "xla", "unknown sizes"])
@pytest.mark.parametrize(
    ("case", "axis"), EMPTY, ids=[f"{case.name}, {axis}" for case, axis in EMPTY]
)
def test_no_rows_no_source_and_no_target_have_an_answer(case, axis, compiled):
    if compiled == "unknown sizes":
        if layer_tools.BACKEND != "tensorflow":
            pytest.skip("Only TensorFlow traces with unknown sizes.")
        wrap = unknown_sizes(case)
    else:
        wrap = getattr(layer_tools, compiled)
    check_empty(case, axis, run(case, empty_arrays(case, axis), wrap))
