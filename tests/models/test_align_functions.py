import inspect

import numpy as np
import pytest

from keras_attn.layers import Attention
from keras_attn.models.align_functions import ALIGN_FUNCTIONS, create_attention

every_kind = pytest.mark.parametrize("kind", ALIGN_FUNCTIONS)


@every_kind
def test_every_kind_is_created_in_the_same_way(kind):
    layer = create_attention(kind, 8, dropout=0.1, seed=3, temperature=2.0, name="look")
    assert type(layer).__name__ == ALIGN_FUNCTIONS[kind]
    assert isinstance(layer, Attention)
    assert (layer.name, layer.dropout, layer.seed, layer.temperature) == (
        "look", 0.1, 3, 2.0,
    )  # fmt: skip
    assert getattr(layer, "units", 8) == 8
    context, weights = layer(np.ones((2, 6), "float32"), np.ones((2, 5, 6), "float32"))
    assert (tuple(context.shape), tuple(weights.shape)) == ((2, 6), (2, 5))


def test_options_of_one_kind_reach_it():
    assert create_attention("multi_head", 8, num_heads=2).num_heads == 2
    assert create_attention("concat", 8, use_bias=True).use_bias
    assert create_attention("general", 8, dtype="float64").compute_dtype == "float64"


@every_kind
def test_every_argument_of_a_class_is_an_option(kind):
    layer = create_attention(kind, 8)
    parameters = inspect.signature(type(layer).__init__).parameters
    own = set(parameters) - {"self", "kwargs", "units"}
    config = layer.get_config()
    assert create_attention(kind, 8, **{name: config[name] for name in own})


@pytest.mark.parametrize(
    ("kind", "hint"),
    [("adaptive", "'additive'"), ("scaled-dot", "'scaled_dot'"), ("Local", "'local'")],
)
def test_an_unknown_kind_names_the_known_and_the_nearest(kind, hint):
    with pytest.raises(ValueError, match="Unknown align function") as info:
        create_attention(kind, 8)
    message = str(info.value)
    assert f"Did you mean {hint}?" in message
    assert f"kind={kind!r}" in message
    assert all(name in message for name in ALIGN_FUNCTIONS)


def test_an_unknown_kind_without_a_near_one_gets_no_hint():
    with pytest.raises(ValueError, match=r"Unknown align function\. Known: additive,"):
        create_attention(None, 8)


def test_an_unknown_option_names_those_of_the_class():
    with pytest.raises(ValueError, match="ScaledDotAttention has no option") as info:
        create_attention("scaled_dot", 8, num_heads=2)
    message = str(info.value)
    assert "num_heads=2 (kind='scaled_dot')" in message
    for name in ("kernel_initializer", "temperature", "normaliser", "dropout", "dtype"):
        assert name in message
    assert "units" not in message


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'temperature'"):
        create_attention("dot", 8, temprature=2.0)
