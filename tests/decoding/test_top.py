"""The largest entries of rows, of a width that is known or not."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn.decoding.top import top_entries


def want(values, count):
    """The largest first, equal ones by the lower index."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(values, order, axis=1), order


def rows_of(width):
    """Rows with ties, one with little that is allowed, one with nothing."""
    generator = np.random.default_rng(width)
    values = generator.integers(-5, 5, size=(6, width)).astype("float32")
    values[4, :-2] = -np.inf
    values[5] = -np.inf
    return values


@pytest.mark.parametrize("width", [4, 7, 31, 32, 33, 128, 1000])
def test_known_widths(width):
    values = rows_of(width)
    found = top_entries(ops.convert_to_tensor(values), 4)
    for each, expected in zip(found, want(values, 4), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(each), expected)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="only TensorFlow has graphs that do not know a width",
)
@pytest.mark.parametrize("width", [4, 7, 31, 32, 33, 128, 1000])
def test_widths_that_only_the_graph_knows(width):
    import tensorflow as tf

    values = rows_of(width)
    spec = [tf.TensorSpec([None, None])]
    traced = tf.function(lambda rows: top_entries(rows, 4), input_signature=spec)
    for each, expected in zip(traced(values), want(values, 4), strict=True):
        np.testing.assert_array_equal(each, expected)
    assert traced(values[:0])[0].shape == (0, 4)
