"""Version numbers are used once, and a version appears complete or not at all."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_attn.serving.export.publish import publishing
from keras_attn.serving.version_folders import version_folders


def publish(base, version=None, fail=False):
    with publishing(base, version) as (number, folder):
        (folder / "saved_model.pb").write_bytes(b"model")
        assert not (base / str(number)).exists()
        if fail:
            raise RuntimeError("the disk is full")
    return number


def names(base):
    return sorted(path.name for path in base.iterdir() if path.is_dir())


def test_numbers_ascend(tmp_path):
    base = tmp_path / "a" / "models"
    assert [publish(base), publish(base), publish(base, 7), publish(base)] == [
        1, 2, 7, 8,
    ]  # fmt: skip
    assert names(base) == ["1", "2", "7", "8"]
    assert (base / "8" / "saved_model.pb").read_bytes() == b"model"


def test_a_failure_leaves_nothing_and_uses_its_number(tmp_path):
    with pytest.raises(RuntimeError, match="disk is full"):
        publish(tmp_path, fail=True)
    assert names(tmp_path) == []
    assert publish(tmp_path) == 2


def test_the_number_of_a_deleted_version_is_not_used_again(tmp_path):
    publish(tmp_path)
    (tmp_path / "1").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"version=1 in .*next free one is 2"):
        publish(tmp_path, 1)
    assert publish(tmp_path) == 2


def test_versions_of_other_programs_count(tmp_path):
    (tmp_path / "0041").mkdir()
    assert publish(tmp_path) == 42


KILLED = """
import os, signal, sys
from pathlib import Path
from keras_attn.serving.export.publish import publishing
from keras_attn.serving.version_folders import version_folders
with publishing(Path(sys.argv[1]), None) as (number, folder):
    (folder / "saved_model.pb").write_bytes(b"model")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_export_leaves_no_version_and_uses_its_number(tmp_path):
    process = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert process.returncode == -signal.SIGKILL
    assert list(version_folders(tmp_path)) == []
    assert publish(tmp_path) == 2


@pytest.mark.parametrize("version", [0, -1, True, 1.5, "3"])
def test_refuses_other_values_than_positive_integers(tmp_path, version):
    with pytest.raises(ValueError, match=f"positive number.*version={version!r}"):
        publish(tmp_path, version)


def test_concurrent_exports_get_different_numbers(tmp_path):
    # The lock belongs to the open file, so it works between threads as well.
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(publish, [tmp_path] * 40))
    assert sorted(numbers) == list(range(1, 41))
