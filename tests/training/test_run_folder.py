"""A run folder never shows half a file, nor an unfinished run as a finished one."""

import pytest

from training.run_folder import RunFolder, written_aside


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "translator.keras"
    with pytest.raises(OSError, match="no space"), written_aside(path) as aside:  # noqa: PT012
        aside.write_text("half")
        assert aside.suffix == ".keras"
        raise OSError("no space left")
    assert list(tmp_path.iterdir()) == []
    with written_aside(path) as aside:
        aside.write_text("whole")
        assert not path.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["translator.keras"]
    assert path.read_text() == "whole"


@pytest.mark.parametrize(
    ("finished", "state"), [(True, "a finished run"), (False, "an unfinished run")]
)
def test_a_used_folder_is_refused(tmp_path, finished, state):
    run = RunFolder(tmp_path / "run")
    run.create()
    run.write_text(run.recipe, "[corpus]\n")
    if finished:
        run.translator.write_bytes(b"")
    with pytest.raises(FileExistsError, match=rf"new folder.*{state}.*delete it"):
        RunFolder(tmp_path / "run").create()
