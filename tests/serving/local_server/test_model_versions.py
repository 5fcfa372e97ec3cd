"""Which versions are loaded, step by step, and freed memory. No TensorFlow runs."""

import ctypes
import sys
import time
from pathlib import Path

import grpc
import pytest

from keras_attn.serving.local_server import model_versions
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.model_versions import (
    ModelVersions,
    return_freed_memory,
)


class Version:
    """Stands for a loaded SavedModel."""

    def __init__(self, folder):
        if (folder / "broken").exists():
            raise OSError("no such luck")
        self.open = True

    def close(self):
        assert self.open
        self.open = False


@pytest.fixture(autouse=True)
def collections(monkeypatch):
    """Counts the calls of `return_freed_memory`, which are slow in this process."""
    calls = []
    monkeypatch.setattr(model_versions, "return_freed_memory", lambda: calls.append(1))
    return calls


@pytest.fixture
def loads():
    return []


@pytest.fixture
def versions(tmp_path, loads):
    def load(folder):
        loads.append(folder.name)
        return Version(folder)

    return ModelVersions("m", tmp_path, load)


def add(base, *numbers, broken=False):
    for number in numbers:
        (base / str(number)).mkdir()
        if broken:
            (base / str(number) / "broken").touch()


def names(versions):
    return {number: state.name for number, state in versions.states().items()}


def test_nothing_is_served_from_an_empty_folder(versions):
    assert versions.refresh() is None
    assert versions.states() == {}
    with pytest.raises(RequestError, match=r"request: Latest\(m\)") as error:
        versions.lease().__enter__()
    assert error.value.code == grpc.StatusCode.NOT_FOUND


def test_only_the_newest_is_loaded(versions, tmp_path, loads):
    add(tmp_path, 9, 10)
    assert versions.refresh() == 10
    assert versions.refresh() == 10
    assert loads == ["10"]
    assert names(versions) == {10: "AVAILABLE"}


def test_a_newer_one_takes_over(versions, tmp_path):
    add(tmp_path, 1)
    versions.refresh()
    with versions.lease() as (_, first):
        pass
    add(tmp_path, 2)
    assert versions.refresh() == 2
    assert not first.open
    assert list(names(versions).items()) == [(2, "AVAILABLE"), (1, "END")]
    with pytest.raises(RequestError, match=r"Specific\(m, 1\)"):
        versions.lease(1).__enter__()


def test_the_old_one_answers_until_the_new_one_is_loaded(tmp_path):
    seen = []

    def load(folder):
        if folder.name == "2":
            with versions.lease() as (number, _):
                seen.append((number, names(versions)))
        return Version(folder)

    versions = ModelVersions("m", tmp_path, load)
    add(tmp_path, 1)
    versions.refresh()
    add(tmp_path, 2)
    versions.refresh()
    assert seen == [(1, {2: "LOADING", 1: "AVAILABLE"})]


def test_an_open_request_keeps_its_version_loaded(versions, tmp_path):
    add(tmp_path, 1)
    versions.refresh()
    with versions.lease() as (_, first), versions.lease() as (_, again):
        add(tmp_path, 2)
        versions.refresh()
        assert first is again
        assert first.open
        assert names(versions) == {2: "AVAILABLE", 1: "UNLOADING"}
    assert not first.open
    assert names(versions) == {2: "AVAILABLE", 1: "END"}


def test_a_version_that_failed_is_never_loaded_again(versions, tmp_path, loads):
    add(tmp_path, 1)
    versions.refresh()
    add(tmp_path, 2, broken=True)
    assert versions.refresh() == 1
    state = versions.states()[2]
    assert (state.name, state.error_code, state.error_message) == (
        "END",
        grpc.StatusCode.UNKNOWN.value[0],
        "no such luck",
    )
    (tmp_path / "2" / "broken").unlink()
    assert versions.refresh() == 1
    assert loads == ["1", "2"]
    add(tmp_path, 3)
    assert versions.refresh() == 3
    assert names(versions) == {3: "AVAILABLE", 2: "END", 1: "END"}


def test_an_older_version_does_not_replace_a_broken_newest(versions, tmp_path):
    add(tmp_path, 1)
    add(tmp_path, 2, broken=True)
    assert versions.refresh() is None
    assert names(versions) == {2: "END"}


def test_a_failed_load_is_retried_a_limited_number_of_times(tmp_path, loads):
    def load(folder):
        loads.append(folder.name)
        return Version(folder)

    versions = ModelVersions("m", tmp_path, load, retries=2, retry_seconds=0.02)
    add(tmp_path, 1, broken=True)
    assert versions.refresh() is None
    assert names(versions) == {1: "LOADING"}
    versions.refresh()
    assert loads == ["1"]  # not before its time
    for _ in range(4):
        time.sleep(0.025)
        versions.refresh()
    assert loads == ["1"] * 3
    assert versions.states()[1].error_message == "no such luck"
    (tmp_path / "1" / "broken").unlink()
    time.sleep(0.025)
    assert versions.refresh() is None  # its number is never loaded again


def test_a_version_that_is_repaired_before_a_retry_is_loaded(tmp_path):
    versions = ModelVersions("m", tmp_path, Version, retries=1, retry_seconds=0.01)
    add(tmp_path, 1, broken=True)
    versions.refresh()
    (tmp_path / "1" / "broken").unlink()
    time.sleep(0.02)
    assert versions.refresh() == 1


def test_retries_end_with_the_folder(tmp_path):
    versions = ModelVersions("m", tmp_path, Version, retries=1, retry_seconds=60)
    add(tmp_path, 1, broken=True)
    versions.refresh()
    (tmp_path / "1" / "broken").unlink()
    (tmp_path / "1").rmdir()
    versions.refresh()
    assert names(versions) == {1: "END"}


def test_other_policies(versions, tmp_path):
    add(tmp_path, 1, 2, 3)
    versions.configure(tmp_path, lambda numbers: {1, 3} & set(numbers))
    assert versions.refresh() == 3
    assert names(versions) == {1: "AVAILABLE", 3: "AVAILABLE"}
    versions.configure(tmp_path, lambda numbers: {1} & set(numbers))
    assert versions.refresh() == 1
    assert names(versions) == {1: "AVAILABLE", 3: "END"}
    versions.configure(None, lambda numbers: set(numbers))
    assert versions.refresh() is None


def test_removing_the_newest_rolls_back(versions, tmp_path):
    add(tmp_path, 1, 2)
    versions.refresh()
    (tmp_path / "2").rmdir()
    assert versions.refresh() == 1
    assert names(versions) == {2: "END", 1: "AVAILABLE"}
    add(tmp_path, 2)
    assert versions.refresh() == 2


def test_no_folders_left_unloads_everything(versions, tmp_path):
    add(tmp_path, 1)
    versions.refresh()
    (tmp_path / "1").rmdir()
    assert versions.refresh() is None
    assert names(versions) == {1: "END"}


def test_a_base_that_vanishes_changes_nothing(versions, tmp_path):
    add(tmp_path, 1)
    versions.refresh()
    (tmp_path / "1").rmdir()
    tmp_path.rmdir()
    assert versions.refresh() == 1
    tmp_path.mkdir()


def test_retire_all(versions, tmp_path):
    add(tmp_path, 1)
    versions.refresh()
    with versions.lease() as (_, version):
        versions.retire_all()
        assert version.open
    assert not version.open


def test_memory_is_returned_after_a_version_is_unloaded(
    versions, tmp_path, collections
):
    add(tmp_path, 1)
    versions.refresh()
    versions.refresh()
    add(tmp_path, 2)
    versions.refresh()  # unloads the first
    assert not collections
    versions.refresh()
    versions.refresh()
    assert len(collections) == 1


def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="needs glibc, which keeps freed memory",
)
def test_freed_memory_is_no_longer_resident():
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    size, count = 64 * 1024, 1000  # each too small for its own pages
    blocks = [library.malloc(size) for _ in range(count)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    for block in blocks[:-1]:  # the last one keeps the heap from shrinking
        library.free(block)
    before = resident_pages()
    assert return_freed_memory()
    assert before - resident_pages() > 0.8 * size * count / 4096
    library.free(blocks[-1])


def test_other_c_libraries_return_no_memory(monkeypatch):
    monkeypatch.setattr(model_versions.ctypes, "CDLL", lambda name: object())
    assert return_freed_memory() is False
