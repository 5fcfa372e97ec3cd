"""Checkpoints survive what disks and processes do to them."""

import resource

import numpy as np
import pytest

from keras_attn.training.loop.checkpoints import Checkpoints


def state(step):
    generator = np.random.default_rng(step)
    return {
        "variable/0": generator.normal(size=(40, 30)).astype("float32"),
        "variable/1": np.int64(step),
        "progress": np.frombuffer(b'{"step": 3}', np.uint8).astype("int32"),
    }


def equal(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) for name in one
    )


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path, kept=2)


def test_the_newest_ones_are_kept(checkpoints, tmp_path):
    assert checkpoints.newest(pytest.fail) is None
    for step in (9, 10, 999_999_999):
        checkpoints.save(step, state(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000010.npz",
        "step-999999999.npz",
    ]
    assert equal(checkpoints.newest(pytest.fail), state(999_999_999))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_told_and_passed_over(checkpoints, share):
    checkpoints.save(1, state(1))
    path = checkpoints.save(2, state(2))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    told = []
    assert equal(checkpoints.newest(told.append), state(1))
    assert len(told) == 1
    assert f"{path} is damaged" in told[0]


def test_no_changed_byte_is_read_as_a_state(checkpoints):
    checkpoints.save(1, state(1))
    path = checkpoints.save(2, state(2))
    whole = path.read_bytes()
    told = []
    for at in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[at] ^= 0x41
        path.write_bytes(changed)
        found = checkpoints.newest(told.append)
        # A few bytes, such as a file's date, mean nothing; no other state comes back.
        assert equal(found, state(1)) or equal(found, state(2))
    assert len(told) > 0.9 * len(range(0, len(whole), 7))


def test_without_a_whole_file_there_is_no_state(checkpoints):
    checkpoints.save(1, state(1)).write_bytes(b"")
    told = []
    assert checkpoints.newest(told.append) is None
    assert len(told) == 1


def test_a_full_disk_keeps_the_last_good_state(checkpoints, tmp_path):
    checkpoints.save(1, state(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(OSError, match=r"(?s)fit on the disk.*Make room.*0001\.npz"):
            checkpoints.save(2, state(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.npz"]
    assert equal(checkpoints.newest(pytest.fail), state(1))
    checkpoints.save(2, state(2))
    assert equal(checkpoints.newest(pytest.fail), state(2))
