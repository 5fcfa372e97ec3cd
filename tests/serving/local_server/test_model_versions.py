"""Which version is served, step by step. Loading is scripted: no TensorFlow runs."""

import time

import grpc
import pytest

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.model_versions import ModelVersions


class Version:
    """Stands for a loaded SavedModel."""

    def __init__(self, folder):
        if (folder / "broken").exists():
            raise OSError("no such luck")
        self.open = True

    def close(self):
        assert self.open
        self.open = False


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


def test_the_newest_is_served_and_only_it_is_loaded(versions, tmp_path, loads):
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


def test_a_begun_request_keeps_its_version_loaded(versions, tmp_path):
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


def test_a_broken_one_is_refused_for_good(versions, tmp_path, loads):
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


def test_a_broken_newest_lets_no_older_one_in(versions, tmp_path):
    add(tmp_path, 1)
    add(tmp_path, 2, broken=True)
    assert versions.refresh() is None
    assert names(versions) == {2: "END"}


def test_a_failed_load_is_tried_again_and_then_given_up(tmp_path, loads):
    def load(folder):
        loads.append(folder.name)
        return Version(folder)

    versions = ModelVersions("m", tmp_path, load, retries=2, retry_seconds=0.05)
    add(tmp_path, 1, broken=True)
    assert versions.refresh() is None
    assert names(versions) == {1: "LOADING"}
    versions.refresh()
    assert loads == ["1"]  # not before its time
    for _ in range(4):
        time.sleep(0.06)
        versions.refresh()
    assert loads == ["1"] * 3
    assert versions.states()[1].error_message == "no such luck"
    (tmp_path / "1" / "broken").unlink()
    time.sleep(0.06)
    assert versions.refresh() is None  # its number is burnt


def test_a_version_that_is_completed_in_time_is_served(tmp_path):
    versions = ModelVersions("m", tmp_path, Version, retries=1, retry_seconds=0.01)
    add(tmp_path, 1, broken=True)
    versions.refresh()
    (tmp_path / "1" / "broken").unlink()
    time.sleep(0.02)
    assert versions.refresh() == 1


def test_what_waits_to_be_tried_again_ends_with_its_folder(tmp_path):
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


def test_rollback_by_taking_the_newest_away(versions, tmp_path):
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
