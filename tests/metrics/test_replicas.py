"""`fit` under `MirroredStrategy` gives the numbers of one device."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

# A process for each number of replicas: TensorFlow's collective operations allow only
# one group of the same devices, and devices are split before TensorFlow starts.
START = """
import json, sys
import tensorflow as tf

replicas = int(sys.argv[1])
[cpu] = tf.config.list_physical_devices("CPU")
devices = [tf.config.LogicalDeviceConfiguration()] * replicas
tf.config.set_logical_device_configuration(cpu, devices)

import keras
import numpy as np

one = tf.distribute.get_strategy()
mirrored = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])
"""

SMALL_MODEL = """
from keras_attn.metrics import MaskedCrossentropy, Perplexity, TokenAccuracy
from keras_attn.training.loop.optimizer import FusedAdam

draw = np.random.default_rng(0)
words = draw.integers(1, 9, (20, 5))
labels = words % 4 + 1
labels[np.arange(5) >= draw.integers(0, 6, (20, 1))] = 0  # some sentences are empty
weight = draw.uniform(size=(20, 5)).astype("float32")
# Batches of 6, 6, 6 and 2 sentences: a replica of three gets none of the last two.
data = tf.data.Dataset.from_tensor_slices((words, labels, weight)).batch(6)
optimizers = {
    "clipped": lambda: FusedAdam(0.1, global_clipnorm=0.05),
    "sgd": lambda: keras.optimizers.SGD(0.1),
}


def train(strategy, optimizer, reduction):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        ids = keras.Input((None,), dtype="int32")
        rows = keras.layers.Embedding(9, 4)(ids)
        model = keras.Model(ids, keras.layers.Dense(5)(rows))
        model.compile(
            optimizers[optimizer](),
            MaskedCrossentropy(0.1, reduction=reduction),
            metrics=[TokenAccuracy()],
            weighted_metrics=[Perplexity()],
        )
    history = model.fit(data, epochs=2, shuffle=False, verbose=0).history
    scores = model.evaluate(data, verbose=0)
    weights = np.concatenate([weight.ravel() for weight in model.get_weights()])
    return {"history": history, "scores": scores, "weights": weights.tolist()}


results = [
    [train(strategy, *arguments.split()) for strategy in (one, mirrored)]
    for arguments in sys.argv[2:]
]
print(json.dumps(results))
"""


def run(source, *arguments):
    """Runs Python in a new process; returns the JSON on its last line."""
    done = subprocess.run(
        [sys.executable, "-c", START + source, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def assert_same(one, mirrored, **tolerance):
    assert one.keys() == mirrored.keys()
    for name, values in one.items():
        if isinstance(values, dict):
            assert_same(values, mirrored[name], **tolerance)
        else:
            np.testing.assert_allclose(mirrored[name], values, **tolerance)


# The same float32 sums in another order.
ROUNDING = {"rtol": 2e-5, "atol": 2e-6}
MEAN = "mean_with_sample_weight"


def test_three_replicas_with_weights_clipping_and_an_uneven_last_batch():
    [(one, mirrored)] = run(SMALL_MODEL, 3, f"clipped {MEAN}")
    assert_same(one, mirrored, **ROUNDING)


@pytest.mark.slow  # trains eight models in a new process
@pytest.mark.parametrize("replicas", [2, 3])
def test_every_reduction(replicas):
    arguments = [f"clipped {MEAN}", f"sgd {MEAN}", "sgd mean", "sgd sum"]
    for one, mirrored in run(SMALL_MODEL, replicas, *arguments):
        assert_same(one, mirrored, **ROUNDING)


TRAINING_SCRIPT = """
import functools, random, runpy, tempfile
from pathlib import Path

import keras_attn

# Replicas draw other dropout masks than one device.
config = keras_attn.Seq2SeqConfig
keras_attn.Seq2SeqConfig = functools.partial(
    config, dropout=0.0, seed=0, embedding_dim=8, encoder_units=8, decoder_units=8,
    attention_units=8, readout_units=8,
)
folder = Path(tempfile.mkdtemp())
nouns = {"Hund": "dog", "Katze": "cat", "Vogel": "bird", "Mann": "man", "Kind": "child"}
verbs = {"schläft": "sleeps", "trinkt": "drinks", "läuft": "runs", "singt": "sings"}
for split, rows in {"train": 500, "val": 130}.items():
    randomness = random.Random(split)
    pairs = []
    for _ in range(rows):
        clauses = [
            [randomness.choice(list(words.items())) for words in (nouns, verbs)]
            for _ in range(randomness.randint(1, 3))
        ]
        pairs.append([" und ".join(f"{n[0]} {v[0]}" for n, v in clauses),
                      " and ".join(f"{n[1]} {v[1]}" for n, v in clauses)])
    for side, language in enumerate(("de", "en")):
        lines = "".join(f"{pair[side]}\\n" for pair in pairs)
        (folder / f"{split}.{language}").write_text(lines, "utf-8")

results = []
fit = keras.Model.fit


def recorded(*arguments, **options):
    history = fit(*arguments, **options)
    results[-1] |= {name: values for name, values in history.history.items()}
    return history


keras.Model.fit = recorded
for strategy in (one, mirrored):
    keras.utils.set_random_seed(0)
    results.append({})
    sys.argv = ["train.py", "--data", str(folder), "--source", "de", "--target", "en",
                "--out", str(folder / "t.keras"), "--epochs", "3"]
    with strategy.scope():
        runpy.run_path("training/train.py", run_name="__main__")
print()
print(json.dumps(results))
"""


@pytest.mark.slow  # trains two translators in a new process
@pytest.mark.timeout(900)
@pytest.mark.parametrize("replicas", [2, 3])
def test_the_training_script(replicas):
    one, mirrored = run(TRAINING_SCRIPT, replicas)
    assert set(one) >= {"loss", "val_loss", "val_perplexity", "val_token_accuracy"}
    assert one["loss"][-1] < one["loss"][0]
    assert_same(one, mirrored, **ROUNDING)
