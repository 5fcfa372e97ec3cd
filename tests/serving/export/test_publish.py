"""Version numbers are used once, and a version appears complete or not at all."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_attn.portable import locked
from keras_attn.serving import unfinished_exports
from keras_attn.serving.export.publish import publishing
from keras_attn.serving.unfinished_exports import prune_exports
from keras_attn.serving.version_folders import prune_versions, version_folders


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


def kill_export(base):
    """Returns the folder of an export that was killed while it wrote."""
    process = subprocess.run([sys.executable, "-c", KILLED, base], check=False)
    assert process.returncode == -signal.SIGKILL
    [folder] = base.glob(".exporting-*")
    return folder


def test_a_killed_export_leaves_nothing_but_its_number(tmp_path):
    folder = kill_export(tmp_path)
    assert list(version_folders(tmp_path)) == []
    assert prune_exports(tmp_path, dry_run=True) == [folder]
    assert publish(tmp_path) == 2
    assert names(tmp_path) == ["2"]


def test_prune_removes_what_a_killed_export_left(tmp_path):
    publish(tmp_path)
    folder = kill_export(tmp_path)
    assert prune_versions(tmp_path, 1, dry_run=True) == [folder]
    assert prune_versions(tmp_path, 1) == [folder]
    assert names(tmp_path) == ["1"]


def test_a_folder_that_is_written_stays(tmp_path):
    with publishing(tmp_path, None) as (_, folder):
        assert prune_exports(tmp_path) == []
        assert publish(tmp_path) == 2
        assert folder.is_dir()
    assert names(tmp_path) == ["1", "2"]


@pytest.mark.parametrize(
    "name", [".exporting-7-0badcafe-123", ".exporting-7-123", ".exporting-7-12345678"]
)
def test_a_folder_of_another_machine_stays_for_a_day(tmp_path, name):
    publish(tmp_path)
    path = tmp_path / name
    (path / "variables").mkdir(parents=True)
    day = 86_400

    def age(seconds):
        for changed in (path, path / "variables"):
            os.utime(changed, (0, time.time() - seconds))

    age(day - 60)
    assert prune_exports(tmp_path) == []
    age(2 * day)
    os.utime(path / "variables")  # something in it has changed just now
    assert prune_exports(tmp_path) == []
    age(day + 60)
    with locked(path):  # it can be seen that a process holds it
        assert prune_exports(tmp_path) == []
    assert prune_exports(tmp_path) == [path]
    assert not path.exists()


def test_without_locks_age_decides(tmp_path, monkeypatch):
    folder = kill_export(tmp_path)
    monkeypatch.setattr(unfinished_exports, "is_locked", lambda path: None)
    assert prune_exports(tmp_path) == []
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (0, 0))
    assert prune_exports(tmp_path) == [folder]


def test_other_names_are_no_exports(tmp_path):
    publish(tmp_path)
    for name in (".exporting-notes", ".exporting-1", "exporting-1-2"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    assert prune_exports(tmp_path) == []


@pytest.mark.parametrize("version", [0, -1, True, 1.5, "3"])
def test_refuses_other_values_than_positive_integers(tmp_path, version):
    with pytest.raises(ValueError, match=f"positive number.*version={version!r}"):
        publish(tmp_path, version)


def test_concurrent_exports_get_different_numbers(tmp_path):
    # The lock belongs to the open file, so it works between threads as well.
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(publish, [tmp_path] * 40))
    assert sorted(numbers) == list(range(1, 41))
