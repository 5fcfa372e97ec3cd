"""What several layer tests do with a layer."""

import json

import numpy as np
import tensorflow as tf


def eager(function):
    return function


def graph(function):
    return tf.function(function)


def xla(function):
    return tf.function(function, jit_compile=True)


def randomise(layer, seed=0, scale=0.5):
    """Gives every weight random values: biases of zeros would hide their mistakes."""
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
    generator = np.random.default_rng(1)
    with tf.GradientTape() as tape:
        total = 0.0
        for output in tf.nest.flatten(outputs_of()):
            noise = generator.normal(size=output.shape).astype("float32")
            total += tf.reduce_sum(tf.cast(output, "float32") * noise)
    weights = layer.trainable_weights
    found = tape.gradient(total, [weight.value for weight in weights])
    return {
        weight.path: None if each is None else tf.convert_to_tensor(each).numpy()
        for weight, each in zip(weights, found, strict=True)
    }


def check_gradients(layer, outputs_of):
    found = gradients(layer, outputs_of)
    assert found
    for path, gradient in found.items():
        assert gradient is not None, path
        assert np.isfinite(gradient).all(), path
        assert np.abs(gradient).max() > 0, path
