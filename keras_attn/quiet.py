"""Importing TensorFlow without its start-up log."""

import contextlib
import os
import sys

__all__ = ["import_tensorflow"]


def import_tensorflow() -> None:
    """Imports TensorFlow and finds its devices without a word on standard error.

    Its C++ core logs some twenty lines before any setting of its own can stop it, so
    file descriptor 2 points nowhere for that while. Python's errors still come
    through as exceptions. With `TF_CPP_MIN_LOG_LEVEL=0` nothing is hidden.
    """
    verbose = os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0"
    with contextlib.nullcontext() if verbose else _without_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def _without_stderr():
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
