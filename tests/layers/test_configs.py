"""Every layer of the conformance list is rebuilt from its configuration."""

import inspect

import keras
import layer_tools
import pytest
from conformance_layers import LAYERS

every_case = pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)


@every_case
def test_config_survives_json(case):
    for layer in (
        case.layer(),
        *([case.layer_with_dropout()] if case.layer_with_dropout else []),
    ):
        restored = layer_tools.through_json(layer)
        assert type(restored) is type(layer)
        assert restored.get_config() == layer.get_config()


@every_case
def test_every_constructor_argument_is_in_the_config(case):
    layer = case.layer()
    if isinstance(layer, keras.Model):
        pytest.skip("A model's config holds the fields of its `Seq2SeqConfig`.")
    config = layer.get_config()
    for base in type(layer).__mro__:
        if base is keras.layers.Layer:
            break
        parameters = inspect.signature(base.__init__).parameters
        assert set(parameters) - {"self", "args", "kwargs"} <= set(config)
