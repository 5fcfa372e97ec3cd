"""Tools for tests of layers, on any Keras backend."""

import json

import keras
import numpy as np
import pytest
from keras import ops

BACKEND = keras.backend.backend()


def eager(function):
    return function


def graph(function):
    """`function` as a graph; on JAX, which has no other graphs, the same as `xla`."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    return xla(function)


def xla(function):
    """`function` compiled by XLA."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True, autograph=False)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    pytest.skip("Keras runs PyTorch eagerly; there is nothing to compile.")


def quick(function):
    """`function` compiled where that is faster than one eager run: on JAX."""
    return xla(function) if BACKEND == "jax" else function


def array(tensor):
    """`tensor` as NumPy; float32 for floats that NumPy lacks."""
    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = ops.cast(tensor, "float32")
    return ops.convert_to_numpy(tensor)


def arrays(structure):
    """All tensors of a structure in order, as NumPy."""
    return [array(each) for each in keras.tree.flatten(structure)]


def randomise(layer, seed=0, scale=0.5):
    """Assigns random values to all weights: zero biases would hide errors."""
    generator = np.random.default_rng(seed)
    for weight in layer.weights:
        if weight.dtype.startswith(("float", "bfloat")):
            weight.assign(generator.normal(scale=scale, size=weight.shape))
    return layer


def through_json(layer):
    """The same layer from its own configuration, by way of JSON text."""
    return type(layer).from_config(json.loads(json.dumps(layer.get_config())))


def gradients(layer, outputs_of):
    """Gradients of a random projection of all float outputs, by weight path."""
    return gradients_of(layer, lambda inputs: outputs_of())({})


def gradients_of(layer, outputs_of):
    """The function from `inputs` to `gradients(layer, lambda: outputs_of(inputs))`."""
    weights = layer.trainable_weights
    find = _GRADIENTS[BACKEND](weights, lambda inputs: _projection(outputs_of(inputs)))
    paths = [weight.path for weight in weights]

    def run(inputs):
        found = [None if each is None else array(each) for each in find(inputs)]
        return dict(zip(paths, found, strict=True))

    return run


def check_gradients(layer, outputs_of):
    check_all_finite_and_nonzero(gradients(layer, outputs_of))


def check_all_finite_and_nonzero(found):
    assert found
    for path, gradient in found.items():
        assert gradient is not None, path
        assert np.isfinite(gradient).all(), path
        assert np.abs(gradient).max() > 0, path


def _projection(outputs):
    generator = np.random.default_rng(1)
    total = 0.0
    for output in keras.tree.flatten(outputs):
        noise = generator.normal(size=output.shape).astype("float32")
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(output.dtype)):
            noise = ops.convert_to_tensor(noise)  # PyTorch asks for its own
            total += ops.sum(ops.cast(output, "float32") * noise)
    return total


def _tensorflow_gradients(weights, total):
    import tensorflow as tf

    def find(inputs):
        with tf.GradientTape() as tape:
            value = total(inputs)
        found = tape.gradient(value, [weight.value for weight in weights])
        # Those of tables come as slices.
        return [None if each is None else tf.convert_to_tensor(each) for each in found]

    return find


def _jax_gradients(weights, total):
    import jax

    @jax.jit
    @jax.grad
    def find(values, inputs):
        with keras.StatelessScope(list(zip(weights, values, strict=True))):
            return total(inputs)

    return lambda inputs: find([weight.value for weight in weights], inputs)


def _torch_gradients(weights, total):
    import torch

    values = [weight.value for weight in weights]
    return lambda inputs: torch.autograd.grad(total(inputs), values, allow_unused=True)


_GRADIENTS = {
    "tensorflow": _tensorflow_gradients,
    "jax": _jax_gradients,
    "torch": _torch_gradients,
}
