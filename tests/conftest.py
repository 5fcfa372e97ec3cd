"""What tests of several rooms share."""

import os

import pytest


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory):
    """A finished run of `keras-attn train`, trained once for all test processes.

    Tests read its files and change none.
    """
    from tiny_run import train_shared_run

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each process has a folder of its own in it
    return train_shared_run(folder / "trained_run")
