"""A translator from one backend on another: same file, same answers.

Runs on JAX and PyTorch, without TensorFlow, beside an environment that has it.
"""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny

from keras_attn import Seq2Seq, Translator
from keras_attn.decoding import Sampling
from keras_attn.metrics import MaskedCrossentropy
from keras_attn.serving.export import export_translator

ROOT = pathlib.Path(__file__).parents[2]
# The environment that has TensorFlow, as `make setup` prepares it.
TENSORFLOW = ROOT / ".venv" / "bin" / "python"
PYTHON = pathlib.Path(os.environ.get("KERAS_ATTN_TENSORFLOW_PYTHON", TENSORFLOW))

if keras.backend.backend() == "tensorflow":
    pytest.skip("Runs on the other backends", allow_module_level=True)
if not PYTHON.exists():
    pytest.skip(f"Needs TensorFlow as well: no {PYTHON}", allow_module_level=True)
pytest.importorskip("sentencepiece")

ODD = ["", " \t\u3000", "ẞ ﬁ 字 🙂 ‍ é", "a\x00b", "Der  Hund\n schläft!", "Hund " * 40]

# What is asked of a translator, here and there; prints JSON.
ANSWER = """
import json, sys, keras
from keras_attn import Translator
translator = Translator.load(sys.argv[1])
for line in sys.stdin:
    method, arguments, options = json.loads(line)
    answers = getattr(translator, method)(*arguments, **options)
    print(json.dumps([answer.to_dict() for answer in answers]))
print(keras.backend.backend(), "tensorflow" in sys.modules)
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


def run(folder, *arguments, input=None):
    """Runs Python where TensorFlow is; its standard output as lines."""
    known = {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [PYTHON, *arguments],
        cwd=folder, env={**os.environ, **known}, capture_output=True, text=True,
        check=False, input=input,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def ask_tensorflow(folder, file, questions):
    """Returns TensorFlow's answers to `(method, arguments, options)`, as dicts."""
    lines = "\n".join(map(json.dumps, questions))
    *answers, backend = run(folder, "-c", ANSWER, file, input=lines)
    assert backend == "tensorflow True"
    return list(map(json.loads, answers))


def check_answers(ours, theirs):
    """Compares token for token, byte for byte; numbers as sums of float32."""
    for one, other in zip(ours, theirs, strict=True):
        one = json.loads(json.dumps(one.to_dict()))
        assert one.keys() == other.keys()
        for name, value in other.items():
            if name in ("score", "token_scores", "attention"):
                np.testing.assert_allclose(one[name], value, rtol=1e-3, atol=1e-3)
            else:
                assert one[name] == value, one["source"]


@pytest.fixture(scope="module")
def demo():
    """The packaged translator, in a precision that backends round alike."""
    return Translator.from_preset("demo").in_precision("float32")


@pytest.mark.timeout(1200)
def test_two_hundred_sentences_are_translated_as_on_tensorflow(demo, tmp_path):
    from keras_attn.training.corpora.builtin import generate

    texts = [pair.source for pair in generate("test", 200)] + ODD
    demo.save(tmp_path / "translator.keras")
    questions = [
        ("translate", [texts], {"beam_size": 1}),
        ("translate", [texts], {"beam_size": 4, "coverage_penalty": 0.2}),
    ]
    theirs = ask_tensorflow(tmp_path, "translator.keras", questions)
    for (_, arguments, options), answers in zip(questions, theirs, strict=True):
        check_answers(demo.translate(*arguments, **options), answers)
    assert "tensorflow" not in sys.modules


@pytest.fixture(scope="module")
def small():
    """Untrained, with a shortlist, and unknown words that it copies."""
    translator = tiny.translator(
        codecs=2, scale=1.0, max_target_length=8, replace_unknown=True
    )
    return translator.with_shortlist(tiny.shortlist(translator, 2, 3))


@pytest.mark.timeout(1200)
def test_all_that_a_translator_does_is_as_on_tensorflow(small, tmp_path):
    texts = ["die Katze sieht den Hund", *ODD]
    none = [[]] * (len(texts) - 2)
    targets = ["the  cat", "字 ﬁ", *[""] * (len(texts) - 3), "the dog"]
    constraints = {
        "prefixes": ["the ", "th", *[""] * (len(texts) - 2)],
        "required": [["dog"], ["a", "t"], *none],
        "beam_size": 3,
    }
    questions = [
        ("translate", [texts], {}),
        ("translate", [texts], {"full_vocabulary": True, "batch_size": 3}),
        ("translate", [texts], constraints),
        ("translate", [[]], {}),
        ("align", [texts, targets], {}),
        ("align", [texts, targets], {"posterior": True}),
    ]
    small.save(tmp_path / "translator.keras")
    loaded = Translator.load(tmp_path / "translator.keras")
    theirs = ask_tensorflow(tmp_path, "translator.keras", questions)
    for (method, arguments, options), answers in zip(questions, theirs, strict=True):
        check_answers(getattr(loaded, method)(*arguments, **options), answers)


def test_samples_depend_on_their_seed(small):
    texts = ["die Katze sieht den Hund"] * 3
    first, again = (
        small.translate(texts, sampling=Sampling(), seed=[4, 5, 4]) for _ in range(2)
    )
    assert [one.text for one in first] == [other.text for other in again]
    assert first[0].text == first[2].text


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="of PyTorch alone")
def test_nothing_is_recorded_for_gradients(small):
    import torch

    recorded = []

    def adjust(log_probs, prefix):
        recorded.append(torch.is_grad_enabled() or log_probs.requires_grad)
        return log_probs

    small.translate(["Hund"], adjust=adjust)
    assert recorded
    assert not any(recorded)


def test_what_only_tensorflow_can_do_is_refused(small, tmp_path):
    backend = keras.backend.backend()
    with pytest.raises(ValueError, match=f"jit_compile=True on the backend {backend}"):
        small.translate(["Hund"], jit_compile=True)
    with pytest.raises(ValueError, match=f"the backend '{backend}'.*KERAS_BACKEND="):
        export_translator(small, tmp_path)


def train_here():
    """Trains a translator on this backend, from text, without TensorFlow."""
    from keras_attn.text import SubwordCodec

    codec = SubwordCodec(tiny.subwords())
    sources, translations = zip(*tiny.SENTENCES, strict=True)
    source, labels = (codec.encode(side, 20).ids for side in (sources, translations))
    start = np.full((len(labels), 1), codec.start_id)
    target = np.concatenate([start, labels[:, :-1]], axis=1)
    batch = {"source": source, "target": target * (target != codec.end_id)}
    size = codec.vocabulary_size
    model = Seq2Seq(
        tiny.config(source_vocabulary_size=size, target_vocabulary_size=size)
    )
    model.compile(keras.optimizers.Adam(0.02), MaskedCrossentropy())
    again = {name: np.tile(value, (60, 1)) for name, value in batch.items()}
    history = model.fit(again, np.tile(labels, (60, 1)), batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    return Translator(model, codec, beam_size=2, max_target_length=20)


@pytest.mark.timeout(1200)
def test_from_training_here_to_a_savedmodel(tmp_path):
    translator = train_here()
    translator.save(tmp_path / "translator.keras")
    texts = [source for source, _ in tiny.SENTENCES]
    ours = translator.translate(texts)
    [theirs] = ask_tensorflow(
        tmp_path, "translator.keras", [("translate", [texts], {})]
    )
    check_answers(ours, theirs)
    *_, version = run(
        tmp_path, "-m", "keras_attn.cli", "export", "translator.keras", "models"
    )
    assert version
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    served = run(tmp_path, "-c", SERVE, str(tmp_path / "models" / "1"))
    assert served == [translation.text for translation in ours]
