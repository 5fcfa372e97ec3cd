import ast
import importlib
import pathlib

import pytest

import keras_attn

PACKAGES = [
    "keras_attn",
    "keras_attn.metrics",
    "keras_attn.plotting",
    "keras_attn.serving",
    "keras_attn.text",
]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_promised_name_is_there_and_shown(name):
    package = importlib.import_module(name)
    assert package.__all__ == sorted(package.__all__)
    assert set(package.__all__) <= set(dir(package))
    for each in package.__all__:
        assert getattr(package, each).__name__ == each


@pytest.mark.parametrize("name", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(name):
    package = importlib.import_module(name)
    with pytest.raises(AttributeError, match=f"module {name!r} has no .*'Nothing'"):
        package.Nothing  # noqa: B018


@pytest.mark.parametrize("name", PACKAGES)
def test_type_checkers_see_the_same_names(name):
    package = importlib.import_module(name)
    tree = ast.parse(pathlib.Path(package.__file__).read_text("utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    seen = {(i.module, i.names[0].name, i.names[0].asname) for i in block.body}
    assert seen == {(home, n, n) for n, home in package._HOMES.items()}


def test_names_are_those_of_their_homes():
    from keras_attn.layers import BahdanauAttention
    from keras_attn.translator.translator import Translator

    assert keras_attn.BahdanauAttention is BahdanauAttention
    assert keras_attn.Translator is Translator


def test_version():
    from importlib.metadata import version

    assert keras_attn.__version__ == version("keras-attn")
