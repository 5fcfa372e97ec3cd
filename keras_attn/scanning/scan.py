"""One loop for all recurrent layers, whatever the backend."""

import keras
from keras import ops

__all__ = ["has_own_loop", "scan"]


def scan(step, carry, results, inputs, fixed, layer, training):
    """Runs a step of a layer over the first axis of its inputs.

    In a graph of TensorFlow this is `tensorflow_scan`, which takes products of inputs
    out of the loop, and in training has a gradient that is faster and keeps less;
    elsewhere `ops.scan`.

    Args:
        step: From carry, inputs of one step and `fixed` to a pair of structures: the
            next carry and the step's results.
        carry: Structure of tensors.
        results: Structure of tensors like the results of one step.
        inputs: Structure of tensors `(T, ...)`.
        fixed: Structure of tensors and `None` that no step changes. What has gradients
            must come this way, or be a weight of `layer`.
        layer: The layer whose weights `step` uses.
        training: Whether gradients will be asked for.

    Returns:
        The last carry, and the structure of results, each `(T, ...)`.

    Example:

    >>> def step(total, number, fixed):
    ...     return total + number, total * fixed
    >>> zero, two = ops.zeros(()), ops.ones(()) * 2
    >>> numbers, layer = ops.array([1.0, 2.0, 3.0]), keras.layers.Layer()
    >>> total, before = scan(step, zero, zero, numbers, two, layer, training=False)
    >>> float(total), ops.convert_to_numpy(before).tolist()
    (6.0, [0.0, 2.0, 6.0])
    """
    if has_own_loop():
        return _scan_on_tensorflow(step, carry, inputs, fixed, layer, training)

    def body(both, each):
        # Some backends stack only what has the structure of the carry.
        both = step(both[0], each, fixed)
        return both, both

    (last, _), (_, stacked) = ops.scan(body, (carry, results), inputs)
    return last, stacked


def has_own_loop():
    """Returns whether `scan` will not be `ops.scan`."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.executing_eagerly()


def _scan_on_tensorflow(step, carry, inputs, fixed, layer, training):
    from keras_attn.scanning import tensorflow_scan

    # Frozen ones too: TensorFlow would look for their gradients as for any other's.
    weights = [
        each for each in layer.weights if keras.backend.is_float_dtype(each.dtype)
    ]

    def step_with_weights(carry, inputs, given):
        tensors, values = given
        tensors = iter(tensors)
        there = keras.tree.map_structure(
            lambda each: None if each is None else next(tensors), fixed
        )
        # To the loop, weights are fixed tensors like any other.
        with keras.StatelessScope(list(zip(weights, values, strict=True))):
            return step(carry, inputs, there)

    given = (
        [each for each in keras.tree.flatten(fixed) if each is not None],
        [each.value for each in weights],
    )
    return tensorflow_scan.scan(
        step_with_weights, carry, inputs, given, own_gradient=training
    )
