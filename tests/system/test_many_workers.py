"""Workers that train together end where one worker with the same batches ends."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import TINY, assert_equal_runs, start_training, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

# No dropout: each worker has random numbers of its own. 150 pairs in batches of 31: no
# batch can be halved, and the last one is smaller.
OPTIONS = [
    *TINY,
    "corpus.train_pairs=150",
    "training.batch_size=31",
    "training.checkpoint_steps=2",
    "training.epochs=3",
    "training.gradient_accumulation_steps=2",
    "training.ema_momentum=0.9",
    "training.teacher=average",
    "training.teacher_weight=0.5",
    "model.dropout=0",
]
# Sums of the same numbers in another order, through some updates of Adam.
ROUNDING = {"rtol": 1e-3, "atol": 2e-4}


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one_worker") / "run"
    assert start_training(folder, *OPTIONS).wait() == 0
    return folder


def start_two(folder, logs):
    with socket.socket() as one, socket.socket() as other:
        for port in (one, other):
            port.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{port.getsockname()[1]}" for port in (one, other)]
    processes = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": addresses}, "task": task})
        # A folder of its own: nothing is shared but the network.
        out = folder / f"run-{index}"
        with open(logs / f"log-{index}", "a") as log:
            environment = {"TF_CONFIG": config}
            processes.append(
                start_training(out, *OPTIONS, environment=environment, stdout=log)
            )
    return processes


def test_two_processes_end_where_one_does(one_worker, tmp_path):
    chief, other = start_two(tmp_path, tmp_path)
    codes = chief.wait(), other.wait()
    assert codes == (0, 0), (tmp_path / "log-0").read_text()
    assert_equal_runs(one_worker, tmp_path / "run-0", **ROUNDING)
    assert not (tmp_path / "run-1").exists()
    report = json.loads((tmp_path / "run-0" / "report.json").read_text())
    assert report["workers"] == 2


@pytest.mark.parametrize("killed", [0, 1])
def test_after_a_worker_was_killed_both_resume(one_worker, tmp_path, killed):
    run = tmp_path / "run-0"
    workers = start_two(tmp_path, tmp_path)
    wait_for(lambda: list(run.glob("checkpoints/step-*")), workers[0])
    workers[killed].kill()
    workers[killed].wait()
    other = 1 - killed
    # It notices, ends, and says what to do.
    assert workers[other].wait(timeout=400) != 0
    if killed == 1:
        assert "Start all of them again" in (tmp_path / "log-0").read_text()
    assert not (run / "translator.keras").exists()
    codes = [process.wait() for process in start_two(tmp_path, tmp_path)]
    assert codes == [0, 0], (tmp_path / "log-0").read_text()
    assert "resuming after step" in (tmp_path / "log-0").read_text()
    assert_equal_runs(one_worker, run, **ROUNDING)


TWO_DEVICES = """
import sys
import tensorflow as tf

[cpu] = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

from pathlib import Path

import keras_attn.training.fit
from keras_attn.training.recipes import load_recipe
from keras_attn.training.loop.workers import Workers

# What `find_workers` does where there are two GPUs.
keras_attn.training.fit.find_workers = lambda: Workers(strategy)
recipe = load_recipe("demo").override(sys.argv[2:])
keras_attn.training.fit.fit(recipe, Path(sys.argv[1]), print)
"""


def test_two_devices_of_one_process_end_where_one_does(one_worker, tmp_path):
    words = [sys.executable, "-c", TWO_DEVICES, str(tmp_path / "run"), *OPTIONS]
    done = subprocess.run(
        words,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert_equal_runs(one_worker, tmp_path / "run", **ROUNDING)
