import inspect

import layer_tools
import numpy as np
import pytest

from keras_attn.layers import Attention
from keras_attn.layers.attention.align_functions import ALIGN_FUNCTIONS, make_attention

every_kind = pytest.mark.parametrize("kind", ALIGN_FUNCTIONS)


@every_kind
def test_every_kind_is_made_in_the_same_way(kind):
    layer = make_attention(kind, 8, dropout=0.1, seed=3, temperature=2.0, name="look")
    assert type(layer) is ALIGN_FUNCTIONS[kind]
    assert isinstance(layer, Attention)
    assert (layer.name, layer.dropout, layer.seed, layer.temperature) == (
        "look", 0.1, 3, 2.0,
    )  # fmt: skip
    assert getattr(layer, "units", 8) == 8
    context, weights = layer(np.ones((2, 6), "float32"), np.ones((2, 5, 6), "float32"))
    assert (tuple(context.shape), tuple(weights.shape)) == ((2, 6), (2, 5))
    assert layer_tools.through_json(layer).get_config() == layer.get_config()


def test_options_of_one_kind_reach_it():
    assert make_attention("multi_head", 8, num_heads=2).num_heads == 2
    assert make_attention("concat", 8, use_bias=True).use_bias
    assert make_attention("general", 8, dtype="float64").compute_dtype == "float64"


@every_kind
def test_every_argument_of_a_class_is_an_option(kind):
    parameters = inspect.signature(ALIGN_FUNCTIONS[kind].__init__).parameters
    layer = make_attention(kind, 8)
    own = set(parameters) - {"self", "kwargs", "units"}
    config = layer.get_config()
    assert make_attention(kind, 8, **{name: config[name] for name in own})


@pytest.mark.parametrize(
    ("kind", "hint"),
    [("adaptive", "'additive'"), ("scaled-dot", "'scaled_dot'"), ("Local", "'local'")],
)
def test_an_unknown_kind_names_the_known_and_the_nearest(kind, hint):
    with pytest.raises(ValueError, match="Unknown align function") as info:
        make_attention(kind, 8)
    message = str(info.value)
    assert f"Did you mean {hint}?" in message
    assert f"kind={kind!r}" in message
    assert all(name in message for name in ALIGN_FUNCTIONS)


def test_a_kind_like_no_other_gets_no_hint():
    with pytest.raises(ValueError, match=r"Unknown align function\. Known: additive,"):
        make_attention(None, 8)


def test_an_unknown_option_names_those_of_the_class():
    with pytest.raises(ValueError, match="ScaledDotAttention has no option") as info:
        make_attention("scaled_dot", 8, num_heads=2)
    message = str(info.value)
    assert "num_heads=2 (kind='scaled_dot')" in message
    for name in ("kernel_initializer", "temperature", "normaliser", "dropout", "dtype"):
        assert name in message
    assert "units" not in message


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'temperature'"):
        make_attention("dot", 8, temprature=2.0)
