"""A run folder holds no incomplete file, and tells finished runs from unfinished."""

import pytest

from keras_attn.command_line import atomic_write
from keras_attn.training.recipes import load_recipe
from keras_attn.training.runs.run_folder import RunFolder, read_json_lines

RECIPE = load_recipe("demo")


def begin(path):
    run = RunFolder(path / "run")
    with run.lock():
        run.begin(RECIPE)
    return run


def test_a_file_appears_complete_or_not_at_all(tmp_path):
    path = tmp_path / "translator.keras"
    with pytest.raises(OSError, match="no space"), atomic_write(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        assert temporary.suffix == ".keras"
        raise OSError("no space left")
    assert list(tmp_path.iterdir()) == []
    with atomic_write(path) as temporary:
        temporary.write_text("complete")
        assert not path.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["translator.keras"]
    assert path.read_text() == "complete"


def test_a_finished_run_is_refused(tmp_path):
    run = begin(tmp_path)
    run.translator.write_bytes(b"")
    with pytest.raises(FileExistsError, match=r"new folder.*a finished run.*delete it"):
        run.check(RECIPE)


def test_an_unfinished_run_resumes_with_its_own_recipe(tmp_path):
    RunFolder(tmp_path / "new").check(RECIPE)
    run = begin(tmp_path)
    run.check(RECIPE)
    other = RECIPE.override(["training.epochs=7", "model.cell=lstm"])
    with pytest.raises(FileExistsError) as refused:
        run.check(other)
    for part in (
        "model.cell='lstm' instead of 'gru', training.epochs=7 instead of 2",
        "unfinished run",
        "--resume --out",
    ):
        assert part in str(refused.value)


def test_one_process_at_a_time_trains(tmp_path):
    run = RunFolder(tmp_path / "run")
    with (
        run.lock(),
        pytest.raises(BlockingIOError, match=r"One process.*another one"),
        RunFolder(run.path).lock(),
    ):
        pytest.fail("locked twice")
    with run.lock():
        pass


def test_temporary_files_of_a_killed_process_are_removed(tmp_path):
    run = begin(tmp_path)
    run.cache.mkdir()
    run.epoch_weights.mkdir()
    for folder in (run.path, run.checkpoints, run.cache, run.epoch_weights):
        (folder / ".writing-123-step-1.npz").write_bytes(b"half")
    with run.lock():
        assert sorted(file.name for file in run.path.iterdir()) == [
            "cache",
            "checkpoints",
            "environment.json",
            "epoch_weights",
            "recipe.toml",
        ]
        assert list(run.epoch_weights.iterdir()) == []
        assert list(run.checkpoints.iterdir()) == []
        assert list(run.cache.iterdir()) == []


def test_history_is_replaced(tmp_path):
    run = begin(tmp_path)
    run.write_history([{"epoch": 1}, {"epoch": 2}])
    run.write_history([{"epoch": 1}])
    assert run.history.read_text() == '{"epoch": 1}\n'


def test_files_of_epochs_that_will_be_repeated_are_removed(tmp_path):
    run = begin(tmp_path)
    run.forget_after(1, pytest.fail)  # without any file
    for epoch in (1, 2):
        run.append_sample({"epoch": epoch})
        run.epoch_weights.mkdir(exist_ok=True)
        (run.epoch_weights / f"0000{epoch}-1.5.weights.h5").write_bytes(b"")
    with open(run.samples, "a") as samples:
        samples.write('{"epoch": 1, "half')
    run.forget_after(1, pytest.fail)
    assert run.samples.read_text() == '{"epoch": 1}\n'
    assert [p.name for p in run.epoch_weights.iterdir()] == ["00001-1.5.weights.h5"]


# What a killed process, or a machine that went down, leaves in a file of lines.
DAMAGED_LINES = [
    b'{"epoch": 1, "half',
    b"\0" * 40,
    b"\xff\xfe\x80",
    b"[" * 100_000,
    b"7",
    b"",
]


@pytest.mark.parametrize("damaged", DAMAGED_LINES, ids=lambda line: str(line[:10]))
def test_damaged_lines_are_passed_over_by_name(tmp_path, damaged):
    run = begin(tmp_path)
    run.append_sample({"epoch": 1})
    with open(run.samples, "ab") as samples:
        samples.write(damaged)
    run.append_sample({"epoch": 2})  # in a line of its own
    run.append_sample({"epoch": 3})
    lines = []
    assert read_json_lines(run.samples, lines.append) == [
        {"epoch": 1},
        {"epoch": 2},
        {"epoch": 3},
    ]
    assert lines == (
        [f"{run.samples} is damaged in line 2: passed over"] if damaged else []
    )
    run.forget_after(2, lines.append)
    assert run.samples.read_text() == '{"epoch": 1}\n{"epoch": 2}\n'
