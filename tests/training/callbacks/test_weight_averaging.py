"""The mean of epochs' weights against NumPy, and in a training run."""

import json
import math

import keras
import numpy as np
import pytest
from tiny_run import TINY, read_lines

from keras_attn import Seq2Seq, Translator
from keras_attn.training.callbacks.weight_averaging import (
    EpochWeights,
    average_if_better,
)
from keras_attn.training.fit import fit
from keras_attn.training.recipes import load_recipe
from keras_attn.training.runs.run_folder import RunFolder

LOSSES = [3.0, 1.0, 2.5, 1.5, 2.0]
INPUTS, LABELS = np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]])


def linear():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(loss="mse")
    return model


def evaluated(model):
    return model.evaluate(INPUTS, LABELS, verbose=0, return_dict=True)


def run_with_weights(folder, choice, epochs):
    """Returns a run whose single weight was n after epoch n, counted from 1."""
    run = RunFolder(folder)
    model = linear()
    for epoch in epochs:
        # Another object each time, as in a run that was resumed.
        callback = EpochWeights(run.epoch_weights, 3, choice)
        callback.set_model(model)
        model.set_weights([np.array([[epoch + 1.0]])])
        callback.on_epoch_end(epoch, {"val_loss": LOSSES[epoch]})
    return run


@pytest.mark.parametrize(
    ("choice", "epochs"), [("last", [3, 4, 5]), ("best", [2, 4, 5])]
)
def test_the_chosen_epochs_are_averaged(tmp_path, choice, epochs):
    run = run_with_weights(tmp_path, choice, range(5))
    # Left by a process that was killed while it wrote.
    (run.epoch_weights / ".writing-1-00009-0.1.weights.h5").write_bytes(b"half")
    model = linear()
    average, report = average_if_better(
        model, run, lambda: evaluated(model), {"loss": math.inf}, pytest.fail
    )
    weight = np.mean(epochs)
    np.testing.assert_allclose(model.get_weights()[0], [[weight]], rtol=1e-6)
    loss = np.mean((INPUTS * weight - LABELS) ** 2)
    np.testing.assert_allclose(average, model.get_weights(), rtol=1e-6)
    assert report["average"].pop("loss") == pytest.approx(loss, rel=1e-5)
    assert report["average"] == {"epochs": epochs, "taken": True}
    assert report["validation"]["loss"] == pytest.approx(loss, rel=1e-5)
    loaded = linear()
    loaded.load_weights(run.average_weights)
    np.testing.assert_array_equal(loaded.get_weights(), model.get_weights())


def test_a_worse_average_is_not_used(tmp_path):
    run = run_with_weights(tmp_path, "last", range(2))
    model = linear()
    average, report = average_if_better(
        model, run, lambda: evaluated(model), {"loss": 1e-3}, pytest.fail
    )
    assert average is None
    assert not report["average"]["taken"]
    assert report["validation"] == {"loss": 1e-3}


def test_damaged_weights_of_an_epoch_are_passed_over_by_name(tmp_path):
    run = run_with_weights(tmp_path, "last", range(3))
    first, second, third = sorted(run.epoch_weights.iterdir())
    first.write_bytes(first.read_bytes()[:700])
    model = linear()
    model.set_weights([np.array([[np.nan]])])
    model.save_weights(second)
    lines = []
    average, report = average_if_better(
        model, run, lambda: evaluated(model), {"loss": math.inf}, lines.append
    )
    np.testing.assert_array_equal(average, [[[3.0]]])
    assert report["average"]["epochs"] == [3]
    assert [line.partition(" is damaged (")[0] for line in lines] == [
        str(first),
        str(second),
    ]
    third.write_bytes(b"")
    log = lines.append
    assert average_if_better(model, run, pytest.fail, {}, log) == (None, {})


@pytest.mark.slow  # a training
def test_a_run_with_sampling_and_average_says_which_weights_it_saved(tmp_path):
    changes = [*TINY, "corpus.train_pairs=128", "text.sampling=0.3"]
    recipe = load_recipe("demo").override([*changes, "training.average=2"])
    report = fit(recipe, tmp_path / "run", lambda line: None)
    run = RunFolder(tmp_path / "run")
    assert json.loads(run.report.read_text()) == report
    assert report["average"]["epochs"] == [1, 2]
    translator = Translator.load(run.translator)
    files = sorted(run.epoch_weights.iterdir())
    weights = []
    for path in files:
        model = Seq2Seq(translator.seq2seq.config)
        model.load_weights(path)
        weights.append(model.get_weights())
    expected = [np.mean(arrays, axis=0) for arrays in zip(*weights, strict=True)]
    if not report["average"]["taken"]:
        expected = weights[report["best_epoch"] - 1]
    for one, other in zip(translator.seq2seq.get_weights(), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    lowest = min(metrics["val_loss"] for metrics in read_lines(run.history))
    assert report["validation"]["loss"] <= lowest + 1e-6
