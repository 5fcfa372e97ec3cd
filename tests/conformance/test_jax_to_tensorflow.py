"""Trained on JAX, saved, loaded under TensorFlow, exported for TensorFlow Serving."""

import os
import pathlib
import subprocess

import keras
import layer_tools
import numpy as np
import pytest
import tiny

from keras_attn import Seq2Seq
from keras_attn.metrics import MaskedCrossentropy

ROOT = pathlib.Path(__file__).parents[2]
# The environment that has TensorFlow, as `make setup` prepares it.
TENSORFLOW = ROOT / ".venv" / "bin" / "python"
PYTHON = pathlib.Path(os.environ.get("KERAS_ATTN_TENSORFLOW_PYTHON", TENSORFLOW))

if keras.backend.backend() != "jax":
    pytest.skip("Runs on JAX: make conformance BACKEND=jax", allow_module_level=True)
if not PYTHON.exists():
    pytest.skip(f"Needs TensorFlow beside JAX: no {PYTHON}", allow_module_level=True)

LOAD_ON_TENSORFLOW = """
import sys
import keras, numpy as np, tensorflow as tf
from keras_attn import Translator
from keras_attn.text import SubwordCodec

assert keras.backend.backend() == "tensorflow"
assert "jax" not in sys.modules
batch = dict(np.load("batch.npz"))
seq2seq = keras.saving.load_model("seq2seq.keras")
want = batch.pop("logits")
codec = SubwordCodec(open("subwords.model", "rb").read())
# The ids of training were made by SentencePiece alone: the codec makes the same.
texts = open("texts.txt").read().splitlines()
ids = codec.encode(tf.constant(texts), max_tokens=20).ids
np.testing.assert_array_equal(ids, batch["source"])
# The same weights bit by bit, the sums of float32 of another backend.
np.testing.assert_allclose(seq2seq(batch), want, rtol=1e-4, atol=1e-4)
translator = Translator(seq2seq, codec, beam_size=2, max_target_length=20)
translator.save("translator.keras")
print(*(translation.text for translation in translator.translate(texts)), sep="\\n")
"""

SERVE = """
import sys
import tensorflow as tf
import tensorflow_text  # its operations
texts = open("texts.txt").read().splitlines()
served = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
translations = served(text=tf.constant(texts))["translation"]
print(*(translation.decode() for translation in translations.numpy()), sep="\\n")
"""


def train(folder, sentencepiece):
    """Trains on JAX, without TensorFlow, and leaves what the other side needs."""
    subwords = tiny.subwords()
    codec = sentencepiece.SentencePieceProcessor(model_proto=subwords)

    def encode(texts):
        rows = [[*codec.encode(text), tiny.END] for text in texts]
        longest = max(map(len, rows))
        return np.array([row + [tiny.PAD] * (longest - len(row)) for row in rows])

    texts, translations = zip(*tiny.SENTENCES, strict=True)
    source, labels = encode(texts), encode(translations)
    start = np.full((len(labels), 1), tiny.START)
    target = np.concatenate([start, labels[:, :-1]], axis=1)
    batch = {"source": source, "target": target * (target != tiny.END)}
    size = codec.get_piece_size()
    model = Seq2Seq(
        tiny.config(source_vocabulary_size=size, target_vocabulary_size=size)
    )
    model.compile(keras.optimizers.Adam(0.02), MaskedCrossentropy())
    again = {name: np.tile(value, (60, 1)) for name, value in batch.items()}
    history = model.fit(again, np.tile(labels, (60, 1)), batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    model.save(folder / "seq2seq.keras")
    np.savez(folder / "batch.npz", **batch, logits=layer_tools.array(model(batch)))
    (folder / "subwords.model").write_bytes(subwords)
    (folder / "texts.txt").write_text("\n".join(texts), encoding="utf-8")


def run(folder, *arguments):
    """Runs Python where TensorFlow is; its standard output as lines."""
    known = {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [PYTHON, *arguments],
        cwd=folder, env={**os.environ, **known}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_from_training_on_jax_to_a_savedmodel(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    train(tmp_path, sentencepiece)
    translations = run(tmp_path, "-c", LOAD_ON_TENSORFLOW)
    assert len(translations) == len(tiny.SENTENCES)
    *_, version = run(
        tmp_path, "-m", "keras_attn.cli", "export", "translator.keras", "models"
    )
    served = run(tmp_path, "-c", SERVE, str(tmp_path / "models" / "1"))
    assert served == translations
    assert version
