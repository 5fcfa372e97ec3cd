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

from keras_attn import Seq2Seq, Translator
from keras_attn.text import SubwordCodec, learn_subwords
from serving.export import export_translator

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
    return export_translator(translator, tmp_path_factory.mktemp("models"))


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
    got = ask_alone(export_translator(translator, tmp_path), ["der Hund"])
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
    assert [path.name for path in models.iterdir()] == ["1"]


def test_what_fails_leaves_nothing(translator, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "serving.export.exporter._check_answers",
        lambda *_: (_ for _ in ()).throw(RuntimeError("answers otherwise")),
    )
    with pytest.raises(RuntimeError, match="answers otherwise"):
        export_translator(translator, tmp_path)
    assert list(tmp_path.iterdir()) == []


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
    assert [path.name for path in models.iterdir() if path.name.isdigit()] == []
    again = export_translator(translator, models)
    assert again.name == "1"
