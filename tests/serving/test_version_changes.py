"""Rollback and prune on folders, by the functions and by the commands."""

import subprocess
import sys

import pytest

from keras_attn.serving.client import Client
from keras_attn.serving.export.publish import publishing
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.version_changes import prune_versions, roll_back


@pytest.fixture
def base(tmp_path):
    """Versions 1 to 5, of which each holds a file with its number."""
    base = tmp_path / "models"
    for number in range(1, 6):
        folder = base / str(number)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(str(number))
    return base


def names(base):
    return sorted(path.name for path in base.iterdir())


def command(*arguments):
    program = (
        "from keras_attn.serving.commands.{0} import {0}; import typer; typer.run({0})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program.format(arguments[0]), *map(str, arguments[1:])],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.split(), done.stderr


def test_the_newest_is_taken_back(base):
    assert roll_back(base) == (4, [base / ".rolled-back-5"])
    assert names(base) == [".rolled-back-5", "1", "2", "3", "4"]
    assert (base / ".rolled-back-5" / "saved_model.pb").read_text() == "5"


def test_several_are_taken_back_the_newest_last(base):
    newest, aside = roll_back(base, to=2)
    assert newest == 2
    # A server must not meet 4 or 3 on its way from 5 to 2.
    assert [path.name[-1] for path in aside] == ["3", "4", "5"]
    assert [name for name in names(base) if name.isdigit()] == ["1", "2"]


def test_a_number_that_was_taken_back_is_spent(base):
    with publishing(base, None) as (number, _):
        assert number == 6
    roll_back(base)
    with publishing(base, None) as (number, _):
        assert number == 7


@pytest.mark.parametrize("to", [0, 5, 9])
def test_refuses_to_roll_back_to_what_is_not_older(base, to):
    before = names(base)
    with pytest.raises(ValueError, match=f"Received: to={to}"):
        roll_back(base, to)
    assert names(base) == before


def test_refuses_to_take_back_the_only_version(base):
    prune_versions(base, 1)
    with pytest.raises(ValueError, match=r"to return to.*versions \[5\]"):
        roll_back(base)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        roll_back(base / "nowhere")


def test_prune_keeps_the_newest_and_the_served(base):
    assert prune_versions(base, 2, served=[1, 99]) == [base / "2", base / "3"]
    assert names(base) == ["1", "4", "5"]


def test_prune_deletes_what_was_taken_back_long_ago(base):
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


def test_prune_finishes_what_a_killed_one_began(base):
    (base / "1").rename(base / ".pruned-1")
    prune_versions(base, 4)
    assert names(base) == ["2", "3", "4", "5"]


def test_prune_refuses_to_keep_none(base):
    with pytest.raises(ValueError, match="keep=0"):
        prune_versions(base, 0)


def test_the_commands_print_folders(base):
    code, out, err = command("rollback", base)
    assert (code, out) == (0, [str(base / "4")])
    assert ".rolled-back-5" in err
    code, out, _ = command("prune", base, "--keep", 3)
    assert (code, out) == (0, [str(base / "1")])


def test_a_server_goes_back_and_keeps_its_version(toy_folders, publish, tmp_path):
    models_dir = tmp_path / "translator"
    models_dir.mkdir()
    for number in (1, 2):
        publish(number, models_dir)
    with LocalServer(models_dir, poll_seconds=0.05, threads=1) as server:
        server.start()
        (models_dir / "9").mkdir()  # newest by its number, but it cannot be loaded
        with Client(server.address, version=2) as client:
            assert client.translate(["a b"])[0].text == "B A"
        code, out, _ = command(
            "prune", models_dir, "--keep", 1, "--server", server.address
        )
        assert (code, out) == (0, [str(models_dir / "1")])
        with Client(server.address, version=2) as client:
            assert client.translate(["a b"])[0].text == "B A"
