"""What `keras-attn export` refuses before it loads anything."""

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
