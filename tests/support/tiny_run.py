"""Training runs that take seconds: recipes, one shared run, runs in processes."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

# Overrides of the `demo` recipe.
TINY = [
    "corpus.train_pairs=300",
    "corpus.validation_pairs=40",
    "corpus.test_pairs=30",
    "text.vocabulary_size=300",
    "model.embedding_dim=16",
    "model.readout_units=16",
    "model.encoder_units=16",
    "model.decoder_units=24",
    "model.attention_units=16",
    "training.epochs=2",
    "training.batch_size=32",
    "training.warmup_steps=4",
    "training.batch_parts=1",
    "training.samples=0",
    "training.validation_bleu=none",
]

# The same for recipes that read files, whose lines may be long.
TINY_FILES = [
    *[option for option in TINY if not option.startswith("corpus.test_pairs")],
    "training.epochs=1",
    "training.max_length=60",
]

# Everything that has a state: random generators of each kind, a moving average,
# accumulated gradients, a plateau; and what changes with the epoch.
STATEFUL = [
    *TINY,
    "corpus.train_pairs=150",
    "corpus.validation_pairs=3",
    "training.epochs=3",
    "training.ema_momentum=0.9",
    "training.gradient_accumulation_steps=2",
    "training.schedule=plateau",
    "training.checkpoint_steps=2",
    "training.samples=3",
    "training.validation_bleu=1",
    "training.best_by=bleu",
    "training.threads_per_operation=1",
    "model.attention_dropout=0.1",
    "training.scheduled_sampling=0.5",
    "training.r_drop=1",
    "training.join_sentences=3",
    "model.dropout=0.1",
    "model.recurrent_dropout=0.1",
    "model.source_word_dropout=0.1",
    "model.target_word_dropout=0.1",
]

# What the shared run has besides: it changes no number.
SHARED = [*STATEFUL, "training.tensorboard=true"]


class TrainedRun(NamedTuple):
    """A finished run of `keras-attn train demo` with the options `SHARED`."""

    folder: Path
    report: dict  # printed on standard output
    log: str  # standard error


def train_shared_run(folder):
    """Trains the shared run in a folder, unless another test process has done so."""
    folder.mkdir(exist_ok=True)
    stdout, stderr, run = folder / "stdout", folder / "stderr", folder / "run"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (run / "report.html").exists():
            with open(stderr, "w") as log, open(stdout, "w") as output:
                process = start_training(run, *SHARED, stdout=output, stderr=log)
                code = process.wait()
            assert code == 0, stderr.read_text()
    report = json.loads(stdout.read_text().splitlines()[-1])
    return TrainedRun(run, report, stderr.read_text())


def start_training(
    out, *overrides, environment=None, stdout=subprocess.DEVNULL, stderr=None
):
    """Starts `keras-attn train demo` and returns the process."""
    words = ["-m", "keras_attn.cli", "train", "demo", *overrides, "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, *words],
        stdout=stdout,
        stderr=stdout if stderr is None else stderr,
        env={**os.environ, **(environment or {})},
    )


def wait_for(condition, process, seconds=200):
    """Waits until a condition holds, while the process lives."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.returncode
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_lines(path):
    """Returns the values of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_metrics(run):
    """Returns the metrics of each epoch, without those that a clock measures."""
    clocks = ("seconds", "tokens_per_second")
    return [
        {name: value for name, value in metrics.items() if name not in clocks}
        for metrics in read_lines(run / "history.jsonl")
    ]


def assert_equal_runs(one, other, rtol=0.0, atol=0.0):
    """Checks that two finished runs have the same epochs and weights."""
    from keras_attn import Translator

    first, second = read_metrics(one), read_metrics(other)
    assert len(first) == len(second)
    for expected, actual in zip(first, second, strict=True):
        assert expected.keys() == actual.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(actual[name], value, rtol=rtol, atol=atol)
    weights = [
        Translator.load(run / "translator.keras").seq2seq.get_weights()
        for run in (one, other)
    ]
    for expected, actual in zip(*weights, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)
