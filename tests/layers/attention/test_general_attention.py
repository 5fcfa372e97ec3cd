import numpy as np

from keras_attn.layers.attention.dot_attention import DotAttention
from keras_attn.layers.attention.general_attention import GeneralAttention

generator = np.random.default_rng(0)
MEMORY = generator.normal(size=(2, 5, 6)).astype("float32")


def test_keys_are_as_wide_as_the_query():
    layer = GeneralAttention()
    layer(np.ones((2, 4), "float32"), MEMORY)
    assert layer.project_memory(MEMORY).shape == (2, 5, 4)


def test_with_the_identity_it_is_dot_attention():
    query = generator.normal(size=(2, 6)).astype("float32")
    layer = GeneralAttention(kernel_initializer="identity")
    pairs = zip(layer(query, MEMORY), DotAttention()(query, MEMORY), strict=True)
    for actual, expected in pairs:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
