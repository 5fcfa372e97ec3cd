"""A run folder never shows half a file, nor an unfinished run as a finished one."""

import pytest

from keras_attn.training.recipes import load_recipe
from keras_attn.training.runs.run_folder import RunFolder, atomic_write

RECIPE = load_recipe("demo")


def started(path, recipe=RECIPE):
    run = RunFolder(path / "run")
    with run.locked():
        run.write_text(run.recipe, recipe.to_toml())
    return run


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "translator.keras"
    with pytest.raises(OSError, match="no space"), atomic_write(path) as aside:  # noqa: PT012
        aside.write_text("half")
        assert aside.suffix == ".keras"
        raise OSError("no space left")
    assert list(tmp_path.iterdir()) == []
    with atomic_write(path) as aside:
        aside.write_text("whole")
        assert not path.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["translator.keras"]
    assert path.read_text() == "whole"


def test_a_finished_run_is_refused(tmp_path):
    run = started(tmp_path)
    run.translator.write_bytes(b"")
    with pytest.raises(FileExistsError, match=r"new folder.*a finished run.*delete it"):
        run.check(RECIPE)


def test_an_unfinished_run_goes_on_with_its_own_recipe(tmp_path):
    RunFolder(tmp_path / "new").check(RECIPE)
    run = started(tmp_path)
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
        run.locked(),
        pytest.raises(BlockingIOError, match=r"One process.*another one"),
        RunFolder(run.path).locked(),
    ):
        pytest.fail("locked twice")
    with run.locked():
        pass


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    run = started(tmp_path)
    run.cache.mkdir()
    for place in (run.path, run.checkpoints, run.cache):
        (place / ".writing-123-step-1.npz").write_bytes(b"half")
    with run.locked():
        assert sorted(each.name for each in run.path.iterdir()) == [
            "cache",
            "checkpoints",
            "recipe.toml",
        ]
        assert list(run.checkpoints.iterdir()) == []
        assert list(run.cache.iterdir()) == []


def test_history_is_written_whole(tmp_path):
    run = started(tmp_path)
    run.write_history([{"epoch": 1}, {"epoch": 2}])
    run.write_history([{"epoch": 1}])
    assert run.history.read_text() == '{"epoch": 1}\n'


def test_what_is_of_epochs_to_come_is_dropped(tmp_path):
    run = started(tmp_path)
    run.forget_after(1)  # there is nothing
    for epoch in (1, 2):
        run.append_sample({"epoch": epoch})
        run.epoch_weights.mkdir(exist_ok=True)
        (run.epoch_weights / f"0000{epoch}-1.5.weights.h5").write_bytes(b"")
    with open(run.samples, "a") as samples:
        samples.write('{"epoch": 1, "half')
    run.forget_after(1)
    assert run.samples.read_text() == '{"epoch": 1}\n'
    assert [p.name for p in run.epoch_weights.iterdir()] == ["00001-1.5.weights.h5"]
