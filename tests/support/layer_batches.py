"""Inputs for layer tests, and the cells that they wrap."""

import keras
import numpy as np
from keras import layers


def draw(dtype="float32", **shapes):
    """Normal values of these shapes, in this order, and a mask of three memories.

    The first memory is full, the second lacks two positions, the third has one.
    """
    generator = np.random.default_rng(0)
    batch = {
        name: generator.normal(size=shape).astype(dtype)
        for name, shape in shapes.items()
    }
    length = shapes["memory"][1]
    batch["memory_mask"] = np.arange(length) < np.array([[length], [length - 2], [1]])
    return batch


def plain_cells(units):
    """Functions that create Keras cells, alone and stacked."""
    return {
        "simple": lambda: layers.SimpleRNNCell(units),
        "gru": lambda: layers.GRUCell(units),
        "lstm": lambda: layers.LSTMCell(units),
        "stack": lambda: layers.StackedRNNCells(
            [layers.LSTMCell(3), layers.GRUCell(units)]
        ),
    }


def state_like(cell, memory_shape, seed=1):
    """A random state of a cell with attention."""
    generator = np.random.default_rng(seed)
    return keras.tree.map_structure(
        lambda zeros: keras.ops.convert_to_tensor(
            generator.normal(size=zeros.shape), "float32"
        ),
        cell.get_initial_state(np.zeros(memory_shape)),
    )
