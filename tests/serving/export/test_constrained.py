"""The signature `translate_constrained`: in Python, as a SavedModel, and over gRPC."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_attn.serving import Client
from keras_attn.serving.export import export_translator
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.signature import (
    ALL_SIGNATURES,
    SIGNATURES,
    TRANSLATE_CONSTRAINED,
)
from keras_attn.translation import translations_from_outputs

pytestmark = pytest.mark.slow  # exports, and runs the export in another process

TEXTS = ["der Hund schläft", "die Katze", "", "ein Hund", "die Katze trinkt"]
PREFIXES = ["die K", "", "", "ein ", ""]
REQUIRED = [["Hund"], [], [], ["eine", "Katze"], []]


@pytest.fixture(scope="module")
def constrained(translator, tmp_path_factory):
    models_dir = tmp_path_factory.mktemp("models") / "translator"
    return export_translator(translator, models_dir, constrained=True)


@pytest.fixture(scope="module")
def expected(translator):
    return translator.translate(TEXTS, prefixes=PREFIXES, required=REQUIRED)


def check_same(got, want):
    assert (got.text, got.constraints_met) == (want.text, want.constraints_met)
    assert got.target_tokens == want.target_tokens
    np.testing.assert_allclose(got.token_scores, want.token_scores, atol=1e-4)
    np.testing.assert_allclose(got.alignment, want.alignment, atol=1e-4)


def test_the_saved_model_translates_as_python_does(translator, constrained, expected):
    signatures = tf.saved_model.load(str(constrained)).signatures
    served = signatures[TRANSLATE_CONSTRAINED.name]
    outputs = served(
        text=tf.constant(TEXTS),
        prefix=tf.constant(PREFIXES),
        required=tf.constant(["\n".join(row) for row in REQUIRED]),
    )
    outputs_of_model = TRANSLATE_CONSTRAINED.outputs_of_model(has_aligner=True)
    fields = {field.name: field for field in outputs_of_model}
    assert {
        name: (out.dtype.name, out.shape.rank) for name, out in outputs.items()
    } == {name: (field.dtype, len(field.axes)) for name, field in fields.items()}
    arrays = {name: value.numpy() for name, value in outputs.items()}
    for got, want in zip(
        translations_from_outputs(TEXTS, arrays), expected, strict=True
    ):
        check_same(got, want)
    for row in (0, 3):
        assert expected[row].text.startswith(PREFIXES[row].strip())
        assert all(phrase in expected[row].text for phrase in REQUIRED[row])
    plain = translator.translate(TEXTS)
    for row in (1, 2, 4):
        assert expected[row].target_tokens == plain[row].target_tokens
    with pytest.raises(tf.errors.InvalidArgumentError, match="one row for each of"):
        served(
            text=tf.constant(TEXTS),
            prefix=tf.constant([""]),
            required=tf.constant([""] * 5),
        )
    none = served(**{name: tf.constant([], tf.string) for name in
                     ("text", "prefix", "required")})  # fmt: skip
    assert none["constraints_met"].shape == (0,)


def test_a_server_translates_as_python_does(constrained, expected):
    with LocalServer(constrained.parent, threads=1) as server:
        server.start()
        with Client(server.address, timeout=120, batch_size=2) as client:
            client.wait_until_ready()
            got = client.translate(TEXTS, prefixes=PREFIXES, required=REQUIRED)
            for one, other in zip(got, expected, strict=True):
                check_same(one, other)
            [cut] = client.translate(["Hund"], prefixes=["ein 字"], attention=False)
            assert cut.constraints_met is False
            assert cut.attention.shape[1] == 0


def test_the_manifest_names_the_signature(constrained):
    manifest = json.loads((constrained / "assets.extra" / "manifest.json").read_text())
    assert list(manifest["signatures"]) == list(ALL_SIGNATURES)
    assert manifest["search"]["constrained"] is True
    assert TRANSLATE_CONSTRAINED.name not in SIGNATURES
