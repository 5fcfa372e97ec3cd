"""The threads that TensorFlow gives an operation, taken before its first one."""

import subprocess
import sys

import pytest

SHARE = """
import tensorflow as tf
from keras_attn.text import graph
{before}
graph.share_cores()
print(tf.config.threading.get_intra_op_parallelism_threads())
print(max(1, graph.cores() // graph.parallel_batches()))
"""


@pytest.mark.parametrize(
    "before", ["", pytest.param("tf.constant(1) + 1", marks=pytest.mark.slow)]
)
def test_cores_are_shared_where_that_is_still_possible(before):
    found = subprocess.run(
        [sys.executable, "-c", SHARE.format(before=before)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    threads, shared = map(int, found)
    assert threads == (0 if before else shared)
