"""No layer of the package is missing from the conformance list."""

import functools
import importlib
import pkgutil

import keras
import pytest
from conformance_layers import LAYERS, NOT_IN_THE_LIST

import keras_attn.layers
from keras_attn.layers import Attention

# Layers that are not exported by name, each with the reason.
NOT_PUBLIC = {
    "LayerNormCell": "the base of the layer-normalised cells, without a formula",
    "StepCell": "the base of the three step cells, without an order of its own",
    "FusedGRUCell": "create_cell returns it; it is Keras's cell, and tested as that",
    "LexicalShortlist": "its first output has a length of its own; has its own tests",
}


@functools.cache
def listed():
    return {type(case.layer()) for case in LAYERS}


def layer_classes():
    """All layers that the package's modules define, by name."""
    classes = {}
    for module in pkgutil.walk_packages(
        keras_attn.layers.__path__, "keras_attn.layers."
    ):
        for name, value in vars(importlib.import_module(module.name)).items():
            ours = getattr(value, "__module__", None) == module.name
            if ours and isinstance(value, type) and not name.startswith("_"):
                classes[name] = value
    return {
        name: value
        for name, value in classes.items()
        if issubclass(value, keras.layers.Layer)
    }


@pytest.mark.parametrize("name", keras_attn.layers.__all__)
def test_every_public_name_is_listed(name):
    value = getattr(keras_attn.layers, name)
    assert (value in listed()) != (name in NOT_IN_THE_LIST), (
        f"Give {name} a Case in tests/support/conformance_layers.py."
    )


def test_every_layer_is_public():
    hidden = set(layer_classes()) - set(keras_attn.layers.__all__)
    assert hidden == set(NOT_PUBLIC), (
        "Export the layers in keras_attn/layers/__init__.py, or say here why not."
    )


def test_excluded_names_exist_and_are_no_layers():
    for name in NOT_IN_THE_LIST:
        value = getattr(keras_attn.layers, name)
        assert value is Attention or not issubclass(value, keras.layers.Layer)


def test_names_differ():
    names = [case.name for case in LAYERS]
    assert len(set(names)) == len(names)
