"""Numbers are given out once, and a version appears whole or not at all."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_attn.serving.export.publish import publishing


def publish(base, version=None, fail=False):
    with publishing(base, version) as (number, folder):
        (folder / "saved_model.pb").write_bytes(b"model")
        assert not (base / str(number)).exists()
        if fail:
            raise RuntimeError("the disk is full")
    return number


def names(base):
    return sorted(path.name for path in base.iterdir() if path.is_dir())


def test_numbers_go_up(tmp_path):
    base = tmp_path / "a" / "models"
    assert [publish(base), publish(base), publish(base, 7), publish(base)] == [
        1, 2, 7, 8,
    ]  # fmt: skip
    assert names(base) == ["1", "2", "7", "8"]
    assert (base / "8" / "saved_model.pb").read_bytes() == b"model"


def test_what_fails_leaves_nothing_and_its_number_is_spent(tmp_path):
    with pytest.raises(RuntimeError, match="disk is full"):
        publish(tmp_path, fail=True)
    assert names(tmp_path) == []
    assert publish(tmp_path) == 2


def test_a_deleted_version_does_not_come_back_with_other_contents(tmp_path):
    publish(tmp_path)
    (tmp_path / "1").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"version=1 in .*next free one is 2"):
        publish(tmp_path, 1)
    assert publish(tmp_path) == 2


def test_versions_that_others_put_there_count(tmp_path):
    (tmp_path / "0041").mkdir()
    assert publish(tmp_path) == 42


@pytest.mark.parametrize("version", [0, -1, True, 1.5, "3"])
def test_refuses_what_is_no_version(tmp_path, version):
    with pytest.raises(ValueError, match=f"positive number.*version={version!r}"):
        publish(tmp_path, version)


def test_two_exports_at_once_get_different_numbers(tmp_path):
    # The lock is one of the open file, so threads meet it as processes do.
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(publish, [tmp_path] * 40))
    assert sorted(found) == list(range(1, 41))
