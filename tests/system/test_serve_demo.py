"""`make serve-demo` as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from keras_attn.serving.signature import ALL_SIGNATURES

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_server_answers_as_python_does():
    done = subprocess.run(
        [sys.executable, "examples/serve_demo.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert set(report["signatures"]) == {"serving_default", *ALL_SIGNATURES}
    assert report["warmup_records"] >= len(ALL_SIGNATURES)
    for fact in ("grpc_equals_python", "rest_equals_python", "batched_equals_alone"):
        assert report[fact] is True
    assert report["sentences_compared"] == 100
    # No call builds an executor, which takes a hundred times its median: with room for
    # a machine that has other work.
    assert 0 < report["cold_over_median"] < 10
