"""Orthogonal first weights exist in every precision."""

import keras
import numpy as np
import pytest

from keras_attn.layers.cells.orthogonal import AnyPrecisionOrthogonal


def test_in_float32_it_is_that_of_keras():
    ours = AnyPrecisionOrthogonal(seed=3)((4, 12), dtype="float32")
    keras_own = keras.initializers.Orthogonal(seed=3)((4, 12), dtype="float32")
    np.testing.assert_array_equal(ours, keras_own)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_half_precision_rows_stay_orthogonal(dtype):
    values = AnyPrecisionOrthogonal(seed=3)((4, 12), dtype=dtype)
    assert keras.backend.standardize_dtype(values.dtype) == dtype
    rows = np.asarray(keras.ops.cast(values, "float32"))
    # Sums of 12 products of numbers with 8 significant bits.
    np.testing.assert_allclose(rows @ rows.T, np.eye(4), atol=12 * 2**-8)
