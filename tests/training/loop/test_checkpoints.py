"""Checkpoints survive what disks and processes do to them."""

import json
import re
import resource
import tracemalloc

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

import keras_attn.training.loop.checkpoints as checkpoints_module
from keras_attn.training.loop.checkpoints import Checkpoints
from keras_attn.training.loop.training_state import TrainingProgress


def state(step, rows=40):
    generator = np.random.default_rng(step)
    return {
        "variable/0": generator.normal(size=(rows, 30)).astype("float32"),
        "variable/1": np.int64(step),
        "progress": np.array('{"step": 3}'),
    }


def check(arrays):
    """Raises for arrays that are not those of a state."""
    if arrays.keys() != state(0).keys():
        raise ValueError("another model")


def equal(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) for name in one
    )


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path, keep=2)


def test_the_newest_ones_are_kept(checkpoints, tmp_path):
    assert checkpoints.load_newest(pytest.fail, check) is None
    for step in (9, 10, 999_999_999):
        checkpoints.save(step, state(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000010.npz",
        "step-999999999.npz",
    ]
    assert equal(checkpoints.load_newest(pytest.fail, check), state(999_999_999))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_passed_over_and_named(checkpoints, share):
    checkpoints.save(1, state(1))
    path = checkpoints.save(2, state(2))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    lines = []
    assert equal(checkpoints.load_newest(lines.append, check), state(1))
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
    assert equal(checkpoints.load_newest(lines.append, check), state(1))
    assert [f"{path} is damaged (Bad CRC-32" in line for line in lines] == [True]


def test_no_changed_byte_is_read_as_a_state(checkpoints):
    checkpoints.save(1, state(1, rows=1))
    path = checkpoints.save(2, state(2, rows=1))
    data = path.read_bytes()
    lines = []
    positions = range(0, len(data), 3)
    for position in positions:
        changed = bytearray(data)
        changed[position] ^= (0x01, 0x41, 0xFF)[position // 3 % 3]
        path.write_bytes(changed)
        arrays = checkpoints.load_newest(lines.append, check)
        # A few bytes, such as a file's date, mean nothing; no other state comes back.
        assert equal(arrays, state(1, rows=1)) or equal(arrays, state(2, rows=1))
    assert len(lines) > 0.7 * len(positions)


def test_without_an_undamaged_file_there_is_no_state(checkpoints):
    for step in (1, 2):
        checkpoints.save(step, state(step)).write_bytes(b"")
    lines = []
    assert checkpoints.load_newest(lines.append, check) is None
    assert len(lines) == 3
    assert lines[-1].endswith("can be read: starting again")


def test_a_damaged_newer_file_does_not_displace_a_good_one(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, state(1))
    checkpoints.save(9, state(9), remove_old=False).write_bytes(b"damaged")
    assert equal(checkpoints.load_newest(lambda line: None, check), state(1))
    checkpoints.save(2, state(2))
    assert equal(checkpoints.load_newest(pytest.fail, check), state(2))
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000002.npz"]


def test_old_files_stay_on_demand(checkpoints, tmp_path):
    for step in (1, 2, 3, 4):
        checkpoints.save(step, state(step), remove_old=step < 3)
    assert len(list(tmp_path.iterdir())) == 4
    checkpoints.save(5, state(5))
    assert len(list(tmp_path.iterdir())) == 2


def test_an_undamaged_state_of_another_training_is_passed_over_by_name(checkpoints):
    checkpoints.save(1, state(1))
    path = checkpoints.save(2, {"variable/0": np.zeros(3)})
    lines = []
    assert equal(checkpoints.load_newest(lines.append, check), state(1))
    assert lines == [f"{path} is not of this training: trying the one before"]
    checkpoints.save(3, {"variable/0": np.zeros(3)})
    with pytest.raises(ValueError, match="another model"):  # no state of this one
        checkpoints.load_newest(lines.append, check)


def test_what_says_nothing_of_the_bytes_is_raised(checkpoints, monkeypatch):
    path = checkpoints.save(1, state(1))
    for error in (PermissionError, MemoryError):

        def fail(file, error=error):
            raise error(str(path))

        monkeypatch.setattr(checkpoints_module, "_parse_arrays", fail)
        with pytest.raises(error):
            checkpoints.load_newest(pytest.fail, check)


def test_a_claim_of_many_bytes_allocates_nothing(checkpoints):
    checkpoints.save(1, state(1))
    path = checkpoints.save(2, state(2))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")  # of the directory: sizes at 20 and 24
    data[entry + 20 : entry + 28] = b"\xf0\xff\xff\x7f" * 2
    path.write_bytes(data)
    lines = []
    tracemalloc.start()
    assert equal(checkpoints.load_newest(lines.append, check), state(1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * len(data) + 1_000_000
    assert "is longer than the file" in lines[0]


def test_an_emptied_directory_is_damage(checkpoints):
    checkpoints.save(1, state(1))
    path = checkpoints.save(2, state(2))
    data = bytearray(path.read_bytes())
    data[-14:-6] = bytes(8)  # numbers of entries and size of the directory: 0
    path.write_bytes(data)
    lines = []
    assert equal(checkpoints.load_newest(lines.append, check), state(1))
    assert lines == [
        f"{path} is damaged (0 of 0 arrays in the directory): trying the one before"
    ]


# Where the kinds of bytes of a file lie: signatures of ZIP, the header of NumPy, data.
REGIONS = {
    "local header": lambda data: (0, 30),
    "header of the array": lambda data: (data.index(b"\x93NUMPY"), 128),
    "shape": lambda data: (data.index(b"'shape'"), 20),
    "data": lambda data: (data.index(b"\x93NUMPY") + 128, 400),
    "directory": lambda data: (data.index(b"PK\x01\x02"), 200),
    "end": lambda data: (len(data) - 22, 22),
}


@pytest.mark.parametrize("region", REGIONS)
@hypothesis.settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(data=strategies.data())
def test_damage_of_any_region_gives_a_good_state(region, data, tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(1, state(1, rows=10))
    path = checkpoints.save(2, state(2, rows=10))
    content = bytearray(path.read_bytes())
    begin, size = REGIONS[region](content)
    offset = begin + data.draw(strategies.integers(0, size - 1))
    junk = data.draw(strategies.binary(max_size=8))
    kind = data.draw(strategies.sampled_from(["overwrite", "insert", "remove", "zero"]))
    end = offset if kind == "insert" else offset + len(junk)
    content[offset:end] = {"remove": b"", "zero": bytes(len(junk))}.get(kind, junk)
    path.write_bytes(content)
    lines = []
    arrays = checkpoints.load_newest(lines.append, check)
    wanted = state(1 if lines else 2, rows=10)
    assert equal(arrays, wanted)
    assert all(f"{path} is damaged" in line for line in lines)


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
    assert equal(checkpoints.load_newest(pytest.fail, check), state(1))
    checkpoints.save(2, state(2))
    assert equal(checkpoints.load_newest(pytest.fail, check), state(2))


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
