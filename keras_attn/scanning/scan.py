"""One loop for all recurrent layers, whatever the backend."""

from collections.abc import Callable

import keras
from keras import ops

from keras_attn.typing import Structure

__all__ = ["scan", "uses_tensorflow_scan"]


def scan(
    step: Callable[[Structure, Structure, Structure], tuple[Structure, Structure]],
    carry: Structure,
    results: Structure,
    inputs: Structure,
    fixed: Structure,
    layer: keras.Layer,
    training: bool | None,
) -> tuple[Structure, Structure]:
    """Runs a step of a layer over the first axis of its inputs.

    In a TensorFlow graph this is `tensorflow_scan`, which takes products of inputs out
    of the loop, and in training has a gradient that is faster and stores less;
    elsewhere it is `ops.scan`.

    Args:
        step: From carry, inputs of one step and `fixed` to a pair of structures: the
            next carry and the step's results.
        carry: Structure of tensors.
        results: Structure of tensors like the results of one step.
        inputs: Structure of tensors `(T, ...)`.
        fixed: Structure of tensors and `None`, the same at every step. Gradients reach
            these and the weights of `layer`, and nothing else that `step` closes over.
        layer: The layer whose weights `step` uses.
        training: Whether gradients will be computed.

    Returns:
        The last carry, and the structure of stacked results `(T, ...)`.

    Example:

    >>> def step(total, number, fixed):
    ...     return total + number, total * fixed
    >>> zero, two = ops.zeros(()), ops.ones(()) * 2
    >>> numbers, layer = ops.array([1.0, 2.0, 3.0]), keras.layers.Layer()
    >>> total, before = scan(step, zero, zero, numbers, two, layer, training=False)
    >>> float(total), ops.convert_to_numpy(before).tolist()
    (6.0, [0.0, 2.0, 6.0])
    """
    if keras.tree.flatten(inputs)[0].shape[0] == 0:  # no backend stacks no results
        return carry, keras.tree.map_structure(
            lambda result: ops.zeros((0, *ops.shape(result)), dtype=result.dtype),
            results,
        )
    if uses_tensorflow_scan():
        return _scan_on_tensorflow(step, carry, results, inputs, fixed, layer, training)

    def body(carry_and_results, step_inputs):
        # Some backends stack only what has the structure of the carry.
        carry_and_results = step(carry_and_results[0], step_inputs, fixed)
        return carry_and_results, carry_and_results

    (last, _), (_, stacked) = ops.scan(body, (carry, results), inputs)
    return last, stacked


def uses_tensorflow_scan() -> bool:
    """Returns whether `scan` is `tensorflow_scan` here, not `ops.scan`."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.executing_eagerly()


def _scan_on_tensorflow(step, carry, results, inputs, fixed, layer, training):
    from keras_attn.scanning import tensorflow_scan

    # Frozen weights too: TensorFlow asks for their gradients like for any other's.
    weights = [
        weight for weight in layer.weights if keras.backend.is_float_dtype(weight.dtype)
    ]

    def step_with_weights(carry, step_inputs, tensors_and_weights):
        tensors, weight_values = tensors_and_weights
        tensors = iter(tensors)
        fixed_here = keras.tree.map_structure(
            lambda tensor: None if tensor is None else next(tensors), fixed
        )
        # To the loop, weights are fixed tensors like any other.
        pairs = list(zip(weights, weight_values, strict=True))
        with keras.StatelessScope(pairs):
            return step(carry, step_inputs, fixed_here)

    tensors = [tensor for tensor in keras.tree.flatten(fixed) if tensor is not None]
    weight_values = [weight.value for weight in weights]
    return tensorflow_scan.scan(
        step_with_weights,
        carry,
        inputs,
        (tensors, weight_values),
        results=results,
        custom_gradient=training,
    )
