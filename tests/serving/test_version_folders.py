"""Which folders are versions; rollback and prune, by functions and by commands."""

import pytest
import typer
from typer.testing import CliRunner

from keras_attn.serving.client import Client
from keras_attn.serving.commands.prune import prune
from keras_attn.serving.commands.rollback import rollback
from keras_attn.serving.export.publish import publishing
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.version_folders import (
    prune_versions,
    roll_back,
    version_folders,
)


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


def test_files_are_not_versions(tmp_path):
    (tmp_path / "1").touch()
    assert version_folders(tmp_path) == {}


def test_a_missing_base_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        version_folders(tmp_path / "nowhere")


@pytest.fixture
def base(tmp_path):
    """Versions 1 to 5, with their numbers as contents."""
    base = tmp_path / "models"
    for number in range(1, 6):
        folder = base / str(number)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(str(number))
    return base


def names(base):
    return sorted(path.name for path in base.iterdir())


def run(command, *arguments):
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.stdout.split(), result.stderr


def test_rollback_renames_the_newest(base):
    assert roll_back(base) == (4, [base / ".rolled-back-5"])
    assert names(base) == [".rolled-back-5", "1", "2", "3", "4"]
    assert (base / ".rolled-back-5" / "saved_model.pb").read_text() == "5"


def test_rollback_of_several_renames_the_newest_last(base):
    newest, renamed = roll_back(base, to=2)
    assert newest == 2
    # A server must not load 4 or 3 between 5 and 2.
    assert [path.name[-1] for path in renamed] == ["3", "4", "5"]
    assert [name for name in names(base) if name.isdigit()] == ["1", "2"]


def test_numbers_of_rolled_back_versions_are_not_used_again(base):
    with publishing(base, None) as (number, _):
        assert number == 6
    roll_back(base)
    with publishing(base, None) as (number, _):
        assert number == 7


@pytest.mark.parametrize("to", [0, 5, 9])
def test_refuses_to_roll_back_to_a_version_that_is_not_older(base, to):
    before = names(base)
    with pytest.raises(ValueError, match=f"Received: to={to}"):
        roll_back(base, to)
    assert names(base) == before


def test_refuses_to_roll_back_the_only_version(base):
    prune_versions(base, 1)
    with pytest.raises(ValueError, match=r"to return to.*versions \[5\]"):
        roll_back(base)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        roll_back(base / "nowhere")


def test_prune_keeps_the_newest_and_the_served(base):
    assert prune_versions(base, 2, served=[1, 99]) == [base / "2", base / "3"]
    assert names(base) == ["1", "4", "5"]


def test_prune_deletes_old_rolled_back_versions(base):
    roll_back(base, to=3)
    (base / "6").mkdir()
    assert prune_versions(base, 9) == []
    assert prune_versions(base, 1) == [
        *(base / str(number) for number in (1, 2, 3)),
        base / ".rolled-back-4",
        base / ".rolled-back-5",
    ]
    assert names(base) == ["6"]


def test_a_dry_run_deletes_nothing(base):
    before = names(base)
    assert len(prune_versions(base, 1, dry_run=True)) == 4
    assert names(base) == before


def test_prune_finishes_an_interrupted_prune(base):
    (base / "1").rename(base / ".pruned-1")
    prune_versions(base, 4)
    assert names(base) == ["2", "3", "4", "5"]


def test_prune_refuses_to_keep_none(base):
    with pytest.raises(ValueError, match="keep=0"):
        prune_versions(base, 0)


def test_the_commands_print_folders(base):
    code, out, err = run(rollback, base)
    assert (code, out) == (0, [str(base / "4")])
    assert ".rolled-back-5" in err
    code, out, _ = run(prune, base, "--keep", 3)
    assert (code, out) == (0, [str(base / "1")])


def test_prune_keeps_the_version_of_a_server(toy_folders, publish, tmp_path):
    models_dir = tmp_path / "translator"
    models_dir.mkdir()
    for number in (1, 2):
        publish(number, models_dir)
    with LocalServer(models_dir, poll_seconds=0.05, threads=1) as server:
        server.start()
        (models_dir / "9").mkdir()  # newest by its number, but it cannot be loaded
        with Client(server.address, version=2) as client:
            assert client.translate(["a b"])[0].text == "B A"
        code, out, _ = run(prune, models_dir, "--keep", 1, "--server", server.address)
        assert (code, out) == (0, [str(models_dir / "1")])
        with Client(server.address, version=2) as client:
            assert client.translate(["a b"])[0].text == "B A"
