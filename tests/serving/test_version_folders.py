"""Which names of folders count as versions."""

import pytest

from keras_attn.serving.version_folders import version_folders


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("1", 1),
        ("0", 0),
        ("0000005", 5),
        ("+3", 3),
        (" 12 ", 12),
        ("1700000000", 1700000000),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_numbers_are_versions(tmp_path, name, number):
    (tmp_path / name).mkdir()
    assert version_folders(tmp_path) == {number: tmp_path / name}


@pytest.mark.parametrize(
    "name", [".tmp-2", "2.tmp", "v3", "1_000", "٣", "1e3", "0x10", str(2**63), "+"]
)
def test_other_names_are_not(tmp_path, name):
    (tmp_path / name).mkdir()
    assert version_folders(tmp_path) == {}


def test_a_file_is_no_version(tmp_path):
    (tmp_path / "1").touch()
    assert version_folders(tmp_path) == {}


def test_a_missing_base_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        version_folders(tmp_path / "nowhere")
