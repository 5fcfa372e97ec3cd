"""What tests of several rooms share."""

import gc
import os
import pathlib
import sys

import pytest

# Graphs are made of many objects that live long: collecting them at the default rate
# takes a tenth of the time of all tests.
gc.set_threshold(200_000, 20, 100)

# Files of tests that take longest begin first, so that no process is left with one.
_FIRST = ("tests/system/test_main_job.py", "tests/serving/export/", "test_resume.py")


def pytest_collection_modifyitems(items):
    def place(item):
        path = item.path.as_posix()
        places = [n for n, name in enumerate(_FIRST) if name in path]
        return min(places, default=len(_FIRST))

    items.sort(key=place)  # stable: otherwise as collected


@pytest.fixture(autouse=True)
def default_policy():
    """Each test begins with Keras's own dtype policy, whatever the last one set."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture(autouse=True)
def jax_programs():
    """Frees what JAX has compiled before a process has more of it than Linux allows.

    Each program has memory maps of its own. A process may have 65,530, and compiling
    one more ends it.
    """
    yield
    maps = pathlib.Path("/proc/self/maps")
    if os.environ.get("KERAS_BACKEND") == "jax" and maps.exists():
        with open(maps, "rb") as lines:
            if sum(1 for _ in lines) > 30_000:
                sys.modules["jax"].clear_caches()


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
