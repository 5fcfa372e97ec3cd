"""Checkpoints survive what disks and processes do to them."""

import json
import re
import resource

import numpy as np
import pytest

from keras_attn.training.loop.checkpoints import Checkpoints
from keras_attn.training.loop.training_state import TrainingProgress


def state(step, rows=40):
    generator = np.random.default_rng(step)
    return {
        "variable/0": generator.normal(size=(rows, 30)).astype("float32"),
        "variable/1": np.int64(step),
        "progress": np.array('{"step": 3}'),
    }


def equal(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) for name in one
    )


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path, keep=2)


def test_the_newest_ones_are_kept(checkpoints, tmp_path):
    assert checkpoints.load_newest(pytest.fail) is None
    for step in (9, 10, 999_999_999):
        checkpoints.save(step, state(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000010.npz",
        "step-999999999.npz",
    ]
    assert equal(checkpoints.load_newest(pytest.fail), state(999_999_999))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_passed_over_and_named(checkpoints, share):
    checkpoints.save(1, state(1))
    path = checkpoints.save(2, state(2))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    lines = []
    assert equal(checkpoints.load_newest(lines.append), state(1))
    assert len(lines) == 1
    assert f"{path} is damaged" in lines[0]


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (rb"('shape': \(40, 30)\)", rb"\1 "),  # NumPy cannot parse the header
        (rb"('shape': \()40", rb"\g<1>39"),  # a smaller array, all bytes of it there
        (rb"('descr': ')<f4", rb"\1<i4"),  # other numbers of the same size
    ],
)
def test_a_damaged_header_of_an_array_is_noticed(checkpoints, pattern, replacement):
    checkpoints.save(1, state(1))
    path = checkpoints.save(2, state(2))
    data, count = re.subn(pattern, replacement, path.read_bytes())
    assert count == 1
    path.write_bytes(data)
    lines = []
    assert equal(checkpoints.load_newest(lines.append), state(1))
    assert [f"{path} is damaged (Bad CRC-32" in line for line in lines] == [True]


def test_no_changed_byte_is_read_as_a_state(checkpoints):
    checkpoints.save(1, state(1, rows=1))
    path = checkpoints.save(2, state(2, rows=1))
    data = path.read_bytes()
    lines = []
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= (0x01, 0x41, 0xFF)[position % 3]
        path.write_bytes(changed)
        arrays = checkpoints.load_newest(lines.append)
        # A few bytes, such as a file's date, mean nothing; no other state comes back.
        assert equal(arrays, state(1, rows=1)) or equal(arrays, state(2, rows=1))
    assert len(lines) > 0.7 * len(data)


def test_without_an_undamaged_file_there_is_no_state(checkpoints):
    for step in (1, 2):
        checkpoints.save(step, state(step)).write_bytes(b"")
    lines = []
    assert checkpoints.load_newest(lines.append) is None
    assert len(lines) == 2


def test_a_full_disk_keeps_the_last_good_state(checkpoints, tmp_path):
    checkpoints.save(1, state(1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"(?s)fit on the disk.*Make room.*0001\.npz"):
            checkpoints.save(2, state(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.npz"]
    assert equal(checkpoints.load_newest(pytest.fail), state(1))
    checkpoints.save(2, state(2))
    assert equal(checkpoints.load_newest(pytest.fail), state(2))


def test_progress_saved_by_version_0_1_0_is_read():
    text = (
        '{"history": [{"epoch": 1, "val_loss": 2.5}], "step": 3, '
        '"sums": [1.0, 2.0, 3.0, 4.0], "seconds": 0.5, "spent": 1.5}'
    )
    progress = TrainingProgress.from_json(text)
    assert progress == TrainingProgress(
        history=[{"epoch": 1, "val_loss": 2.5}],
        step=3,
        sums=(1.0, 2.0, 3.0, 4.0),
        seconds=0.5,
        total_seconds=1.5,
    )
    assert json.loads(progress.to_json()) == json.loads(text)
