import numpy as np
from keras import ops

from keras_attn.layers.decoder.memory import mean_of_memory


def test_mean_of_real_rows_and_zeros_without_any():
    values = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    mask = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], bool)
    got = mean_of_memory(ops.convert_to_tensor(values), mask)
    np.testing.assert_allclose(got[0], values[0].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(got[1], values[1, [0, 2]].mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(got[2], 0)
