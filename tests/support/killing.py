"""Training commands in processes of their own, and what they leave behind."""

import json
import os
import subprocess
import sys
import time

import numpy as np
from tiny_run import TINY

from keras_attn import Translator

# Everything that has a state: dropout of each kind, an average, collected gradients.
RESTLESS = [
    *TINY,
    "corpus.train_pairs=150",
    "training.epochs=3",
    "training.ema_momentum=0.9",
    "training.gradient_accumulation_steps=2",
    "training.schedule=plateau",
    "training.checkpoint_steps=2",
    "training.samples=2",
    "training.validation_bleu=1",
    "training.best_by=bleu",
    "training.threads_per_operation=1",
    "model.recurrent_dropout=0.1",
    "model.attention_dropout=0.1",
    "training.scheduled_sampling=0.5",
    "training.r_drop=1",
    "model.dropout=0.1",
    "model.source_word_dropout=0.1",
    "model.target_word_dropout=0.1",
]


def start_training(out, *overrides, environment=None, log=subprocess.DEVNULL):
    """Starts `keras-attn train demo` and returns the process."""
    words = ["-m", "keras_attn.cli", "train", "demo", *overrides, "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, *words],
        stdout=log,
        stderr=log,
        env={**os.environ, **(environment or {})},
    )


def wait_for(condition, process, seconds=200):
    """Waits until something holds, while the process lives."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.returncode
        assert time.monotonic() < deadline
        time.sleep(0.01)


def weights(run):
    """The weights of a run's translator."""
    return Translator.load(run / "translator.keras").seq2seq.get_weights()


def history(run):
    """The figures of each epoch, without what a clock says."""
    lines = (run / "history.jsonl").read_text().splitlines()
    clocks = ("seconds", "tokens_per_second")
    return [
        {name: value for name, value in json.loads(line).items() if name not in clocks}
        for line in lines
    ]


def assert_equal_runs(one, other, rtol=0.0, atol=0.0):
    """Checks that two finished runs have the same epochs and weights."""
    assert len(history(one)) == len(history(other))
    for mine, its in zip(history(one), history(other), strict=True):
        assert mine.keys() == its.keys()
        for name, value in mine.items():
            np.testing.assert_allclose(value, its[name], rtol=rtol, atol=atol)
    for mine, its in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(mine, its, rtol=rtol, atol=atol)
