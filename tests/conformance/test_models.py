"""Layers train in functional and in subclassed models."""

import functools

import keras
import layer_tools
import numpy as np
import pytest
from conformance_case import UNKNOWN
from conformance_layers import LAYERS
from keras import ops

# Large steps, so that a small gradient moves a weight too.
LEARN = functools.partial(keras.optimizers.SGD, 1.0)


def name_of(case):
    return case.name


def is_float(tensor):
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))


def fit_one_step(model, inputs, targets):
    """Trains one step and checks that every trainable weight changed."""
    before = [layer_tools.array(each).copy() for each in model.trainable_weights]
    history = model.fit(inputs, targets, batch_size=3, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert before
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert (layer_tools.array(weight) != old).any(), weight.path


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_fits_in_a_functional_model(case):
    layer = case.create_randomised()
    symbols = case.symbols(unknown=True)
    inputs = dict(symbols)
    if not case.has_weights:  # something must learn: what the layer is given
        for name, symbol in symbols.items():
            kind, axes = case.spec(name)
            if kind == "float" and axes[-1] not in UNKNOWN:
                inputs[name] = keras.layers.Dense(symbol.shape[-1])(symbol)
    results = keras.tree.flatten(case.call(layer, inputs))
    model = keras.Model(symbols, [each for each in results if is_float(each)])
    # One optimizer step moves weights of any scale by as much.
    model.compile(keras.optimizers.Adam(0.01), loss=["mse"] * len(model.outputs))
    # A model of one output may give it without a list around it.
    outputs = keras.tree.flatten(model(case.arrays()))
    targets = [np.ones_like(layer_tools.array(each)) for each in outputs]
    fit_one_step(model, case.arrays(), targets)


class OneOutput(keras.Model):
    """One number per row of the batch, from all outputs of a layer."""

    def __init__(self, case):
        super().__init__()
        self.case = case
        self.part = case.create_randomised()
        self.dense = keras.layers.Dense(1)

    def call(self, inputs, training=None):
        results = self.case.call(self.part, inputs, training=training)
        means = [
            ops.mean(ops.reshape(each, (ops.shape(each)[0], -1)), axis=-1)
            for each in keras.tree.flatten(results)
            if is_float(each)
        ]
        return self.dense(ops.stack(means, axis=-1))


@pytest.mark.parametrize("case", LAYERS, ids=name_of)
def test_fits_in_a_subclassed_model(case):
    model = case.create_weights(OneOutput(case))
    # The functional models train in a graph; on TensorFlow these train without one.
    # (On JAX each operation would be compiled for itself.)
    eagerly = layer_tools.BACKEND != "jax"
    model.compile(LEARN(), loss="mse", run_eagerly=eagerly)
    inputs = case.arrays()
    fit_one_step(model, inputs, np.ones((len(next(iter(inputs.values()))), 1)))
