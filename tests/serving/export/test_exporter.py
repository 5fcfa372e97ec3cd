"""The exported SavedModel: moved, loaded without this package, and self-tested."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny
from tensorflow_serving.apis import prediction_log_pb2

from keras_attn import Seq2Seq, Translator
from keras_attn.serving.export import export_translator, self_test
from keras_attn.serving.export.exporter import make_manifest
from keras_attn.serving.export.self_test import check_outputs
from keras_attn.serving.local_server.saved_model import read_meta_graph
from keras_attn.serving.signature import (
    DEFAULT_SIGNATURE,
    SIGNATURE_VERSION,
    SIGNATURES,
    TRANSLATE,
)
from keras_attn.text import SubwordCodec, learn_subwords

TEXTS = ["der Hund", "", "die Katze trinkt", " \t", "ﬁ 字 🙂", "x", "Milch " * 9]

# Prints the outputs for batches of texts, where this package cannot be imported.
WITHOUT_PACKAGE = """
import json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "keras_attn":
            raise ImportError(name)

sys.meta_path.insert(0, Blocker())
import numpy as np
import tensorflow as tf
import tensorflow_text

signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]

def plain(value):
    return value.decode() if isinstance(value, bytes) else value

def translate(texts):
    outputs = signature(text=tf.constant([text.encode() for text in texts], tf.string))
    return {
        name: np.vectorize(plain, otypes=[object])(tensor.numpy()).tolist()
        if tensor.dtype == tf.string else tensor.numpy().tolist()
        for name, tensor in outputs.items()
    }

print(json.dumps([translate(texts) for texts in json.loads(sys.argv[2])]))
"""


def folders(models):
    return sorted(path.name for path in models.iterdir() if path.name.isdigit())


def warmup_file(folder):
    return folder / "assets.extra" / "tf_serving_warmup_requests"


def run_without_package(folder, *batches):
    """Returns the outputs of the default signature for each batch of texts."""
    process = subprocess.run(
        [sys.executable, "-c", WITHOUT_PACKAGE, str(folder), json.dumps(batches)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder.parent,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_a_moved_export_translates_as_the_translator(translator, exported, tmp_path):
    moved = shutil.copytree(exported, tmp_path / "elsewhere" / "3")
    batches = [TEXTS[:1], TEXTS]
    for texts, got in zip(batches, run_without_package(moved, *batches), strict=True):
        for row, want in enumerate(translator.translate(texts)):
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


@pytest.mark.slow  # a second export and a process
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
    folder = export_translator(translator, tmp_path, self_test=False)
    [got] = run_without_package(folder, ["der Hund"])
    assert set(got) == {field.name for field in TRANSLATE.outputs}  # no aligner
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


def test_warmup_requests_are_in_the_format_of_tensorflow_serving(exported):
    path = warmup_file(exported)
    shapes = {}
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        name = request.model_spec.signature_name
        signature = SIGNATURES[TRANSLATE.name if name == DEFAULT_SIGNATURE else name]
        arrays = {key: tf.make_ndarray(t) for key, t in request.inputs.items()}
        assert set(arrays) == {field.name for field in signature.inputs}
        # All outputs, as the client requests them: a filter is another executor.
        assert not request.output_filter
        assert len({len(array) for array in arrays.values()}) == 1
        text = arrays["text"][0].decode()
        shapes.setdefault(name, set()).add((len(text.split()), len(arrays["text"])))
    # `translate` is the default signature, which has requests of all shapes.
    assert set(shapes) == {*SIGNATURES, DEFAULT_SIGNATURE} - {TRANSLATE.name}
    assert len({num_words for num_words, _ in shapes[DEFAULT_SIGNATURE]}) >= 3
    assert len({num_texts for _, num_texts in shapes[DEFAULT_SIGNATURE]}) >= 3


def test_the_default_signature_runs_the_tensors_of_translate(exported):
    signatures = read_meta_graph(exported).signature_def
    assert signatures[DEFAULT_SIGNATURE] == signatures[TRANSLATE.name]
    tensors = [
        signature.outputs["score"].name
        for name, signature in signatures.items()
        if name in SIGNATURES
    ]
    assert len(set(tensors)) == len(SIGNATURES)


def test_the_manifest_describes_the_export(translator, exported):
    path = exported / "assets.extra" / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    assert manifest["version"] == 1
    assert manifest["limits"] == {
        "max_source_length": 20,
        "max_target_length": 15,
        "trained_source_length": None,
    }
    assert manifest["search"] == {
        "beam_size": 3,
        "length_penalty": 1.0,
        "nbest": 3,
        "full_vocabulary": False,
        "constrained": False,
        "split_sentences": "always",
    }
    assert manifest["made_with"]["tensorflow"] == tf.__version__
    assert list(manifest["signatures"]) == list(SIGNATURES)
    assert manifest["signatures"]["align"]["inputs"][1]["name"] == "target"
    assert manifest["aligner"] is True
    for signature in manifest["signatures"].values():
        assert signature["outputs"][-1]["name"] == "alignment"
    assert manifest["signature_version"] == SIGNATURE_VERSION
    assert manifest["recipe"] is manifest["report"] is None


def test_the_manifest_has_recipe_and_report_of_the_run(translator, tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "ü"\n', "utf-8")
    (tmp_path / "report.json").write_text('{"bleu": 31.5}')
    manifest = make_manifest(
        translator, version=3, search={}, serving_version="2.20", warmup_records=9,
        run=tmp_path,
    )  # fmt: skip
    assert manifest["recipe"] == 'name = "ü"\n'
    assert manifest["report"] == {"bleu": 31.5}


BROKEN = "raise ImportError('a file of the user was imported')\n"


@pytest.fixture
def hostile_folder(tmp_path, monkeypatch):
    """The current directory holds modules with the names of ours and NumPy's."""
    folder = tmp_path / "project"
    for name in ("training", "serving", "keras_attn"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(BROKEN)
    for name in ("keras.py", "numpy.py", "tensorflow.py"):
        (folder / name).write_text(BROKEN)
    monkeypatch.chdir(folder)
    return folder


def test_the_separate_process_ignores_the_current_directory(
    hostile_folder, tmp_path, monkeypatch
):
    code = self_test._CODE.split("; run_requests")[0]
    monkeypatch.setattr(self_test, "_CODE", f"{code}; import keras_attn.lazy, numpy")
    with self_test._separate_process(tmp_path):
        pass
    monkeypatch.setattr(self_test, "_CODE", "import training")
    with (
        pytest.raises(RuntimeError, match="No module named 'training'"),
        self_test._separate_process(tmp_path),
    ):
        pass


@pytest.mark.slow  # a process that exports and one that tests the export
def test_the_command_publishes_from_a_hostile_folder(translator, hostile_folder):
    translator.save(hostile_folder / "translator.keras")
    (hostile_folder / "recipe.toml").write_text("[model]\n")
    environment = dict(os.environ)
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    process = subprocess.run(
        # Isolated, as by the installed script: without the current directory.
        [
            *(sys.executable, "-I", "-m", "keras_attn.cli", "export"),
            *("translator.keras", "models", "--json"),
            *("--nbest", "2", "--serving-version", "2.12"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout) == {
        "folder": "models/1",
        "version": 1,
        "aligner": True,
    }
    assert process.stderr.splitlines() == [
        "version 1: tracing the graphs, with the output alignment",
        "writing the model",
        "running the model in a separate process",
    ]
    folder = hostile_folder / "models" / "1"
    manifest = json.loads((folder / "assets.extra" / "manifest.json").read_text())
    assert manifest["search"]["nbest"] == 2
    assert manifest["recipe"] == "[model]\n"
    assert folders(folder.parent) == ["1"]


@pytest.fixture(scope="module")
def signatures(exported):
    return tf.saved_model.load(str(exported)).signatures


@pytest.mark.slow  # starts a process
def test_a_model_with_other_outputs_is_not_accepted(exported, signatures):
    def with_other_scores(name):
        def endpoint(**inputs):
            outputs = signatures[name](**inputs)
            return {**outputs, "score": outputs["score"] + 1}

        return endpoint

    endpoints = {name: with_other_scores(name) for name in signatures}
    with pytest.raises(RuntimeError, match=r"other outputs of .* published"):
        check_outputs(exported, warmup_file(exported), endpoints, ["Hund"])


@pytest.mark.slow  # starts a process
def test_a_model_with_another_alignment_is_not_accepted(exported, signatures):
    def with_other_alignment(name):
        def endpoint(**inputs):
            outputs = signatures[name](**inputs)
            return {**outputs, "alignment": outputs["alignment"] * 0.9}

        return endpoint

    endpoints = {name: with_other_alignment(name) for name in signatures}
    with pytest.raises(RuntimeError, match=r"another `alignment` of .* published"):
        check_outputs(exported, warmup_file(exported), endpoints, ["Hund"])


@pytest.mark.slow  # starts a process
def test_a_model_that_cannot_be_loaded_is_not_accepted(exported, signatures, tmp_path):
    broken = shutil.copytree(exported, tmp_path / "1")
    shutil.rmtree(broken / "variables")
    with pytest.raises(RuntimeError, match=r"separate process.*variables"):
        check_outputs(broken, warmup_file(broken), signatures, ["Hund"])


def test_weights_that_are_no_numbers_are_not_exported(tmp_path):
    translator = tiny.translator()
    weight = translator.seq2seq.weights[0]
    weight.assign(np.full(weight.shape, np.inf))
    with pytest.raises(ValueError, match=r"finite.*`translator`, with inf") as error:
        export_translator(translator, tmp_path / "models")
    assert f"{weight.path} (" in str(error.value)
    assert not (tmp_path / "models").exists()
