"""Files that earlier releases saved load, and give the numbers that they gave then.

Each folder of `golden` was written by the code of that release.
"""

import dataclasses
import inspect
import json
import pathlib

import keras
import numpy as np
import pytest

from keras_attn import Translator
from keras_attn.serving.signature import SIGNATURES
from keras_attn.training.recipes import load_recipe

FOLDER = pathlib.Path(__file__).parent / "golden" / "0.1.0"


@pytest.fixture(scope="module")
def numbers():
    with np.load(FOLDER / "numbers.npz") as arrays:
        return dict(arrays)


@pytest.mark.skipif(
    "input_axes" not in inspect.signature(keras.initializers.GlorotUniform).parameters,
    reason="Keras reads files with its own layers in the version that wrote them, or a "
    "newer one; this file was written by 3.15",
)
def test_a_model_of_layers(numbers):
    """All align functions, orders, cells, bridges and encoders."""
    model = keras.saving.load_model(FOLDER / "layers.keras")
    names = ("source", "mask", "target")
    outputs = model({name: numbers[f"inputs/{name}"] for name in names})
    assert len(outputs) == 24
    for name, output in outputs.items():
        # Another version of TensorFlow may add up in another order.
        np.testing.assert_allclose(output, numbers[f"layers/{name}"], atol=1e-5)


def test_a_compiled_seq2seq(numbers):
    model = keras.saving.load_model(FOLDER / "seq2seq.keras")
    inputs = {name: numbers[f"inputs/{name}"] for name in ("source", "target")}
    np.testing.assert_allclose(model(inputs), numbers["seq2seq"], atol=1e-4)
    assert model.optimizer.iterations == 1
    model.fit(inputs, inputs["target"], verbose=0)


def test_a_translator():
    saved = json.loads((FOLDER / "translations.json").read_text("utf-8"))
    translator = Translator.load(FOLDER / "translator.keras")
    for answer, want in zip(
        translator.translate(saved["texts"]), saved["answers"], strict=True
    ):
        got = answer.to_dict()
        assert got.keys() >= want.keys()
        for name, value in want.items():
            if isinstance(value, float) or name in ("attention", "token_scores"):
                np.testing.assert_allclose(got[name], value, atol=1e-5)
            else:
                assert got[name] == value, name


def test_a_recipe_has_the_same_keys_and_values():
    saved = FOLDER / "recipe.toml"
    recipe = load_recipe(saved)
    assert recipe == load_recipe("demo")
    now = iter(without_comments(recipe.to_toml()))  # may have more
    for line in without_comments(saved.read_text("utf-8")):
        assert line in now  # and in the same order


def without_comments(toml):
    return [line.partition("  # ")[0] for line in toml.splitlines() if line[:1] != "#"]


def test_the_signatures_of_a_manifest_are_still_served():
    """A client of then finds every input and output that it knows."""
    manifest = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
    for name, saved in manifest["signatures"].items():
        assert contract(saved["inputs"]) == contract(as_json(SIGNATURES[name].inputs))
        served = contract(as_json(SIGNATURES[name].outputs))
        assert [
            field for field in contract(saved["outputs"]) if field not in served
        ] == []


def as_json(fields):
    return json.loads(json.dumps([dataclasses.asdict(field) for field in fields]))


def contract(fields):
    """What a client relies on: all but the sentence that explains the field."""
    return [{k: v for k, v in field.items() if k != "meaning"} for field in fields]
