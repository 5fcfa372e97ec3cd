"""A run that was stopped or killed ends as if nothing had happened."""

import json
import math
import os
import signal
import subprocess
import threading
import time

import numpy as np
import pytest
from tiny_run import (
    STATEFUL,
    TINY,
    assert_equal_runs,
    read_metrics,
    start_training,
    wait_for,
)

from keras_attn.training.fit import fit
from keras_attn.training.loop.training_loop import _Divergence
from keras_attn.training.recipes import load_recipe

RECIPE = load_recipe("demo").override(STATEFUL)
KILLS = 20
# Two threads may add up gradients in another order.
ROUNDING = {"rtol": 1e-3, "atol": 1e-4}


def checkpoints(run):
    return sorted(path.name for path in (run / "checkpoints").glob("step-*"))


@pytest.fixture(autouse=True)
def late_signals_are_harmless():
    """A signal that comes when training has ended fails its test, and no other."""
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, handler)


def stop_after_next_checkpoint(run):
    """Sends this process SIGTERM when there is a newer checkpoint than now."""
    newest = max(checkpoints(run), default="")

    def watch():
        while max(checkpoints(run), default="") <= newest:
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def test_a_stopped_and_damaged_run_ends_like_an_undisturbed_one(trained_run, tmp_path):
    run, lines = tmp_path / "run", []
    process = start_training(run, *STATEFUL, stderr=subprocess.PIPE)
    wait_for(lambda: checkpoints(run), process)
    process.terminate()
    *_, line = process.communicate()[1].decode().splitlines()
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped by SIGTERM" in line
    assert f"keras-attn train --resume --out {run}" in line
    assert not (run / "translator.keras").exists()
    # The newest checkpoint loses its end, as if the process had been killed while it
    # was written: the one before is used.
    newest = run / "checkpoints" / checkpoints(run)[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    report = fit(RECIPE, run, lines.append)
    assert any(line.startswith("resuming after step") for line in lines)
    assert any(f"{newest} is damaged" in line for line in lines)
    assert [metrics["epoch"] for metrics in read_metrics(run)] == [1, 2, 3]
    assert report["epochs"] == 3
    assert not (run / "checkpoints").exists()
    assert_equal_runs(trained_run.folder, run, **ROUNDING)


def test_a_loss_that_is_no_number_ends_the_run_with_the_last_good_state(tmp_path):
    recipe = load_recipe("demo").override(
        [
            *TINY,
            "corpus.train_pairs=64",
            "training.learning_rate=1e38",
            "training.clip_norm=none",
            "training.schedule=constant",
            "training.warmup_steps=2",
            "training.checkpoint_steps=1",
            "training.checkpoints_kept=9",
        ]
    )
    with pytest.raises(RuntimeError, match=r"diverged.*finite.*learning_rate"):
        fit(recipe, tmp_path / "run", lambda line: None)
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        with np.load(path) as arrays:
            for name in arrays.files:
                if name.startswith("variable/"):
                    assert np.isfinite(arrays[name]).all()
    assert not (tmp_path / "run" / "translator.keras").exists()


def test_a_loss_far_above_the_uniform_one_in_many_steps_is_divergence():
    uniform, limit = math.log(300), 4
    divergence = _Divergence(300, limit)

    def add(factors):
        for factor in factors:
            cross_entropy = factor * uniform * 7  # of 7 tokens
            divergence.add((1.0, 2.0, 0.0, 3.0), (1.0, 2.0 + cross_entropy, 0, 10), "")

    add([1, 2.9] * 10)  # bad, but not beyond reason
    add([9, 9, 9, 1] * 3)  # single batches
    assert divergence.steps == 0
    add([9, 9, 9])
    with pytest.raises(RuntimeError, match=r"diverged.*5\.7.*4 steps.*learning_rate"):
        add([9])


@pytest.mark.slow  # a training
def test_a_run_that_diverges_keeps_the_checkpoints_before(tmp_path):
    recipe = load_recipe("demo").override(
        [
            *TINY,
            "training.epochs=30",
            "training.learning_rate=30",
            "training.clip_norm=none",
            "training.schedule=constant",
            "training.warmup_steps=60",
            "training.checkpoint_steps=1",
            "training.checkpoints_kept=1",
        ]
    )
    lines = []
    with pytest.raises(RuntimeError, match=r"diverged.*subwords alike.*20 steps in a"):
        fit(recipe, tmp_path / "run", lines.append)
    first = tmp_path / "run" / "checkpoints" / checkpoints(tmp_path / "run")[0]
    with np.load(first) as arrays:
        loss, _, _, tokens = json.loads(str(arrays["progress"]))["sums"]
    assert loss < 3 * math.log(300) * tokens


@pytest.mark.slow  # two trainings
def test_batches_by_tokens_resume_at_the_same_batch(tmp_path):
    cache = tmp_path / "cache"
    options = ["training.batch_tokens=200", "training.batch_parts=2"]
    recipe = RECIPE.override([*options, f"corpus.cache={cache}"])
    fit(recipe, tmp_path / "undisturbed", lambda line: None)
    files = sorted(cache.iterdir())
    assert len(files) == 2  # of train and of validation
    run = tmp_path / "run"
    stop_after_next_checkpoint(run)
    with pytest.raises(SystemExit):
        fit(recipe, run, lambda line: None)
    fit(recipe, run, lambda line: None)
    assert sorted(cache.iterdir()) == files
    assert_equal_runs(tmp_path / "undisturbed", run, **ROUNDING)


@pytest.mark.slow  # two trainings for one refusal
def test_another_corpus_under_the_same_name_is_refused(tmp_path):
    for split in ("train", "validation"):
        for language in ("de", "en"):
            text = "".join(f"w{n} x{n % 7} y\n" for n in range(60))
            (tmp_path / f"{split}.{language}").write_text(text)
    recipe = load_recipe("demo").override(
        [
            *TINY,
            "corpus.kind=files",
            f"corpus.data={tmp_path}",
            "corpus.validation_split=validation",
            "corpus.train_pairs=none",
            "text.vocabulary_size=40",
            "training.checkpoint_steps=1",
            "training.epochs=50",
        ]
    )
    run = tmp_path / "run"
    stop_after_next_checkpoint(run)
    with pytest.raises(SystemExit):
        fit(recipe, run, lambda line: None)
    (tmp_path / "validation.en").write_text("w1 y\n" * 60)
    with pytest.raises(ValueError, match=r"it began with.*Restore the old corpus"):
        fit(recipe, run, lambda line: None)


@pytest.mark.slow  # some twenty trainings
@pytest.mark.timeout(3000)
def test_twenty_kills_at_any_moment_change_no_bit(tmp_path):
    options = [*STATEFUL, "model.recurrent_dropout=0.1"]
    generator = np.random.default_rng(2026)
    started = time.monotonic()
    assert start_training(tmp_path / "undisturbed", *options).wait() == 0
    duration = time.monotonic() - started
    kills = runs = 0
    while kills < KILLS:
        runs += 1
        run = tmp_path / f"run-{runs}"
        while not (run / "report.json").exists():
            process = start_training(run, *options)
            # Late enough for some progress each time; no moment is excluded.
            time.sleep(duration * generator.uniform(0.3, 0.9))
            if kills < KILLS and process.poll() is None:
                process.kill()
                kills += 1
            process.wait()
            if (run / "translator.keras").exists():
                break  # a kill after that leaves a finished run
        assert_equal_runs(tmp_path / "undisturbed", run)
