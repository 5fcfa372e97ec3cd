import keras
import numpy as np
import pytest

from keras_attn import AttentionDecoder
from keras_attn.layers.attention.dot_attention import DotAttention


def test_has_no_weights_and_its_keys_are_the_memory():
    layer = DotAttention()
    memory = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    layer(np.ones((2, 4), "float32"), memory)
    assert layer.weights == []
    np.testing.assert_array_equal(layer.project_memory(memory), memory)


def test_refuses_different_widths_with_a_remedy():
    layer = DotAttention(name="look")
    with pytest.raises(ValueError, match="must be equally wide") as info:
        layer(np.ones((2, 4), "float32"), np.ones((2, 3, 6), "float32"))
    message = str(info.value)
    for part in ("Q=4", "M=6", "'look'", "`GeneralAttention`"):
        assert part in message


def test_refuses_different_widths_inside_a_decoder():
    decoder = AttentionDecoder(keras.layers.GRUCell(4), DotAttention())
    with pytest.raises(ValueError, match="Q=4, M=6"):
        decoder(np.ones((2, 5, 3), "float32"), np.ones((2, 3, 6), "float32"))
