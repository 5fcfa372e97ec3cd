"""The exported SavedModel, alone: moved, in a process without this package."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from keras_attn import Seq2Seq, Translator
from keras_attn.serving.export import export_translator
from keras_attn.serving.export.endpoints import SearchOptions, trace_endpoints
from keras_attn.serving.export.manifest import describe
from keras_attn.serving.export.self_test import check_answers
from keras_attn.serving.signature import (
    DEFAULT_SIGNATURE,
    SIGNATURE_VERSION,
    SIGNATURES,
    TRANSLATE,
)
from keras_attn.text import SubwordCodec, learn_subwords

SENTENCES = ["der Hund schläft", "die Katze trinkt Milch", "ein Hund und eine Katze"]
TEXTS = ["der Hund", "", "die Katze trinkt", " \t", "ﬁ 字 🙂", "x", "Milch " * 9]

# Answers on standard output, from a process that cannot import what wrote the model.
ALONE = """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("keras_attn", "training", "serving"):
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
import tensorflow as tf
import tensorflow_text

signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
texts = json.loads(sys.argv[2])
outputs = signature(text=tf.constant([text.encode() for text in texts], tf.string))

def plain(value):
    return value.decode() if isinstance(value, bytes) else value

print(json.dumps({
    name: np.vectorize(plain, otypes=[object])(tensor.numpy()).tolist()
    if tensor.dtype == tf.string else tensor.numpy().tolist()
    for name, tensor in outputs.items()
}))
""".replace("import json, sys", "import json, sys\nimport numpy as np")


@pytest.fixture(scope="module")
def exported(translator, tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    return export_translator(translator, models, self_test=False)


def folders(models):
    return sorted(path.name for path in models.iterdir() if path.name.isdigit())


def ask_alone(folder, texts):
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder), json.dumps(texts)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder.parent,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("size", [1, 7])
def test_moved_and_alone_it_answers_as_the_translator(
    translator, exported, tmp_path, size
):
    moved = shutil.copytree(exported, tmp_path / "elsewhere" / "3")
    got = ask_alone(moved, TEXTS[:size])
    for row, want in enumerate(translator.translate(TEXTS[:size])):
        length = got["target_length"][row]
        assert got["translation"][row] == want.text
        assert got["target_tokens"][row][:length] == [
            token.piece for token in want.target_tokens
        ]
        assert got["source_begin"][row][: len(want.source_tokens)] == [
            token.begin for token in want.source_tokens
        ]
        attention = np.array(got["attention"][row])
        np.testing.assert_allclose(
            attention[:length, : len(want.source_tokens)], want.attention, atol=1e-5
        )
        np.testing.assert_array_equal(attention[length:], 0)
        assert bool(got["target_truncated"][row]) == want.target_truncated


@pytest.mark.slow
def test_two_vocabularies_stay_apart(translator, tmp_path):
    codecs = [
        SubwordCodec(learn_subwords(sentences * 3, 30))
        for sentences in (["der Hund schläft"], ["XYZ UVW", "ZZ WW QQ"])
    ]
    config = dataclasses.replace(
        translator.seq2seq.config,
        source_vocabulary_size=codecs[0].vocabulary_size,
        target_vocabulary_size=codecs[1].vocabulary_size,
    )
    translator = Translator(Seq2Seq(config), *codecs, beam_size=2)
    got = ask_alone(
        export_translator(translator, tmp_path, self_test=False), ["der Hund"]
    )
    [want] = translator.translate(["der Hund"])
    assert got["translation"] == [want.text]
    assert set(want.text) <= set("XYZUVWQ ")
    assert got["source_tokens"][0] == [token.piece for token in want.source_tokens]


def test_versions_count_up_and_are_never_overwritten(translator, exported):
    models = exported.parent
    assert exported.name == "1"
    with pytest.raises(ValueError, match=r"never overwritten.*version=1.*next.* 2"):
        export_translator(translator, models, version=1)
    with pytest.raises(ValueError, match=r"positive number.*version=0"):
        export_translator(translator, models, version=0)
    assert folders(models) == ["1"]


@pytest.mark.parametrize("penalty", [-0.5, 5.5, float("nan")])
def test_a_penalty_that_would_be_clamped_is_refused(translator, tmp_path, penalty):
    with pytest.raises(ValueError, match=rf"length_penalty={penalty}"):
        export_translator(translator, tmp_path, length_penalty=penalty)
    assert list(tmp_path.iterdir()) == []


def test_warm_up_is_what_tensorflow_serving_reads(exported):
    path = exported / "assets.extra" / "tf_serving_warmup_requests"
    sizes = {}
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        name = request.model_spec.signature_name
        contract = SIGNATURES[TRANSLATE.name if name == DEFAULT_SIGNATURE else name]
        arrays = {key: tf.make_ndarray(each) for key, each in request.inputs.items()}
        assert set(arrays) == {field.name for field in contract.inputs}
        assert len({len(array) for array in arrays.values()}) == 1
        text = arrays["text"][0].decode()
        sizes.setdefault(name, set()).add((len(text.split()), len(arrays["text"])))
    assert set(sizes) == {*SIGNATURES, DEFAULT_SIGNATURE}
    for each in sizes.values():
        assert len({length for length, _ in each}) >= 3  # words a text
        assert len({rows for _, rows in each}) >= 3


def test_the_manifest_says_what_was_exported(translator, exported):
    path = exported / "assets.extra" / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    assert manifest["version"] == 1
    assert manifest["limits"] == {"max_source_length": 20, "max_target_length": 15}
    assert manifest["search"] == {
        "beam_size": 3,
        "length_penalty": 1.0,
        "nbest": 3,
        "full_vocabulary": False,
    }
    assert manifest["made_with"]["tensorflow"] == tf.__version__
    assert list(manifest["signatures"]) == list(SIGNATURES)
    assert manifest["signatures"]["align"]["inputs"][1]["name"] == "target"
    assert manifest["signature_version"] == SIGNATURE_VERSION
    assert manifest["recipe"] is manifest["report"] is None


def test_the_manifest_has_recipe_and_scores_of_the_run(translator, tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "ü"\n', "utf-8")
    (tmp_path / "report.json").write_text('{"bleu": 31.5}')
    manifest = describe(
        translator, version=3, search={}, serving_version="2.20", warmup_records=9,
        run=tmp_path,
    )  # fmt: skip
    assert manifest["recipe"] == 'name = "ü"\n'
    assert manifest["report"] == {"bleu": 31.5}


@pytest.mark.slow
def test_the_command_asks_the_model_and_publishes(translator, tmp_path):
    saved = tmp_path / "translator.keras"
    translator.save(saved)
    (tmp_path / "recipe.toml").write_text("[model]\n")
    command = f"export {saved} {tmp_path}/models --nbest 2 --serving-version 2.12"
    done = subprocess.run(
        [sys.executable, "-m", "keras_attn.cli", *command.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "models" / "1"
    assert done.stdout.split() == [str(folder)]
    assert "asking the model" in done.stderr
    manifest = json.loads((folder / "assets.extra" / "manifest.json").read_text())
    assert manifest["search"]["nbest"] == 2
    assert manifest["recipe"] == "[model]\n"
    assert folders(tmp_path / "models") == ["1"]


@pytest.mark.slow
def test_a_model_that_answers_otherwise_is_not_accepted(translator, exported):
    """The endpoints of a translator that was trained on after the export."""
    options = SearchOptions(beam_size=3, length_penalty=1.0, nbest=3)
    endpoints = trace_endpoints(translator, options)
    warmup = exported / "assets.extra" / "tf_serving_warmup_requests"
    weights = translator.get_weights()
    translator.set_weights([2 * weight for weight in weights])
    try:
        with pytest.raises(RuntimeError, match=r"other answers from .* published"):
            check_answers(exported, warmup, endpoints, ["Hund"])
    finally:
        translator.set_weights(weights)


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_is_not_accepted(exported, tmp_path):
    broken = shutil.copytree(exported, tmp_path / "1")
    shutil.rmtree(broken / "variables")
    warmup = broken / "assets.extra" / "tf_serving_warmup_requests"
    with pytest.raises(RuntimeError, match=r"process of its own.*variables"):
        check_answers(broken, warmup, {}, ["Hund"])


def test_killed_while_writing_leaves_no_version(translator, tmp_path):
    saved = tmp_path / "t.keras"
    translator.save(saved)
    models = tmp_path / "models"
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_attn.cli", "export", str(saved), str(models)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list(models.glob(".exporting-*")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert folders(models) == []
    again = export_translator(translator, models, self_test=False)
    assert again.name == "2"  # the number of the version that failed is not used again
