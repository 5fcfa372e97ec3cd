"""A run that was stopped or killed ends as if nothing had happened."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from killing import RESTLESS, assert_equal_runs, history, start_training, wait_for
from tiny_run import TINY

from keras_attn.training.fit import fit
from keras_attn.training.recipes import load_recipe

RECIPE = load_recipe("demo").override(RESTLESS)
KILLS = 20


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    fit(RECIPE, folder, lambda line: None)
    return folder


def checkpoints(run):
    return sorted(path.name for path in (run / "checkpoints").glob("step-*"))


@pytest.fixture(autouse=True)
def late_signals_are_harmless():
    """A signal that comes when training has ended fails its test, and no other."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


def stop_after_next_checkpoint(run):
    """Sends this process SIGTERM when there is one more than now."""
    seen = checkpoints(run)

    def watch():
        while max(checkpoints(run), default="") <= max(seen, default=""):
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def test_a_killed_and_stopped_run_ends_like_one_that_was_not(whole, tmp_path):
    run = tmp_path / "run"
    process = start_training(run, *RESTLESS)
    wait_for(lambda: checkpoints(run), process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    told = []
    stop_after_next_checkpoint(run)
    with pytest.raises(SystemExit) as stopped:
        fit(RECIPE, run, told.append)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert any(line.startswith("going on after step") for line in told)
    assert "stopped by SIGTERM" in told[-1]
    assert f"keras-attn train --resume --out {run}" in told[-1]
    assert not (run / "translator.keras").exists()
    # The newest checkpoint is half a file now: the one before is as good.
    newest = run / "checkpoints" / checkpoints(run)[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    report = fit(RECIPE, run, told.append)
    assert any(f"{newest} is damaged" in line for line in told)
    assert [line["epoch"] for line in history(run)] == [1, 2, 3]
    assert report["epochs"] == 3
    assert not (run / "checkpoints").exists()
    # Two threads may add up gradients in another order.
    assert_equal_runs(run, whole, rtol=1e-3, atol=1e-4)


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


@pytest.mark.slow  # two trainings
def test_batches_by_tokens_go_on_where_they_stood(tmp_path):
    cache = tmp_path / "cache"
    recipe = RECIPE.override(["training.batch_tokens=200", f"corpus.cache={cache}"])
    fit(recipe, tmp_path / "whole", lambda line: None)
    files = sorted(cache.iterdir())
    assert len(files) == 2  # of train and of validation
    run = tmp_path / "run"
    stop_after_next_checkpoint(run)
    with pytest.raises(SystemExit):
        fit(recipe, run, lambda line: None)
    fit(recipe, run, lambda line: None)
    assert sorted(cache.iterdir()) == files
    assert_equal_runs(run, tmp_path / "whole", rtol=1e-3, atol=1e-4)


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
    with pytest.raises(ValueError, match=r"began with.*Bring the old corpus back"):
        fit(recipe, run, lambda line: None)


@pytest.mark.slow  # some twenty trainings
@pytest.mark.timeout(3000)
def test_twenty_kills_at_any_moment_change_no_bit(tmp_path):
    generator = np.random.default_rng(2026)
    started = time.monotonic()
    assert start_training(tmp_path / "whole", *RESTLESS).wait() == 0
    duration = time.monotonic() - started
    kills = runs = 0
    while kills < KILLS:
        runs += 1
        run = tmp_path / f"run-{runs}"
        while not (run / "report.json").exists():
            process = start_training(run, *RESTLESS)
            # Late enough for some progress each time, and no moment is spared.
            time.sleep(duration * generator.uniform(0.3, 0.9))
            if kills < KILLS and process.poll() is None:
                process.kill()
                kills += 1
            process.wait()
            if (run / "translator.keras").exists():
                break  # a kill after that leaves a finished run
        assert_equal_runs(run, tmp_path / "whole")
