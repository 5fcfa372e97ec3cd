"""What `keras-attn export` refuses before it loads anything."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere", "models"], "Received: nowhere"),
        (["nowhere", "models", "--serving-version", "1.15"], "Received: 1.15"),
        (["nowhere", "models", "--nbest", "0"], "nbest"),
    ],
)
def test_refuses(tmp_path, arguments, told):
    done = subprocess.run(
        [sys.executable, "-m", "keras_attn.cli", "export", *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_says_what_it_does_and_nothing_of_tensorflow(tmp_path):
    import tiny

    tiny.translator().save(tmp_path / "tiny.keras")
    quiet = {n: v for n, v in os.environ.items() if n != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-m", "keras_attn.cli", "export", "tiny.keras"]
    done = subprocess.run(
        [*command, "models", "--json"], env={**quiet, "PYTHONPATH": os.getcwd()},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"folder": "models/1", "version": 1}
    assert done.stderr.splitlines() == [
        "version 1: tracing the graphs",
        "writing the model",
        "asking the model in a process of its own",
    ]
