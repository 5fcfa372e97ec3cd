"""`keras-attn deploy` as a user types it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from keras_attn.serving.commands.deploy import deploy


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command next to a model with versions 3 and 4."""
    for number in (3, 4):
        (tmp_path / "model" / str(number)).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(deploy)

    def run(*words):
        return CliRunner().invoke(app, ["out", "--models", "model", *words])

    return run


def test_prints_the_files_it_writes(run, tmp_path):
    words = "--name de-en --version 3 --version 4 --label stable=3 --label canary=4"
    done = run(*words.split(), "--replicas", "1", "2")
    assert done.exit_code == 0, done.exception
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {tmp_path / line for line in done.stdout.splitlines()} == set(written)
    config = (tmp_path / "out/models.config").read_text()
    assert "versions: 3 versions: 4" in config
    assert 'version_labels { key: "canary" value: 4 }' in config
    assert "minReplicas: 1" in (tmp_path / "out/kubernetes/autoscaler.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (["--label", "stable"], ValueError, "LABEL=VERSION.*--label stable"),
        (["--label", "stable=x"], ValueError, "LABEL=VERSION.*--label stable=x"),
        (["--version", "9"], OSError, r"versions=\[9\]"),
        (["--tls-key", "k.pem"], ValueError, "a certificate and its key.*k.pem"),
        (["--tls-client-ca", "ca.pem"], ValueError, "a certificate and its key"),
        (["--tls-key", "k", "--tls-certificate", "c"], OSError, "'k'"),
        (["--image", "tensorflow/serving:latest"], ValueError, "a version"),
    ],
)
def test_refusals_write_nothing(run, tmp_path, words, kind, message):
    done = run(*words)
    assert isinstance(done.exception, kind)  # `main` makes one paragraph of it
    with pytest.raises(kind, match=message):
        raise done.exception
    assert not (tmp_path / "out").exists()


def test_the_first_of_two_steps_says_what_comes_next(run, tmp_path):
    assert run("--version", "3", "--label", "stable=3").exit_code == 0
    words = ["--version", "4", "--label", "stable=4", "--force"]
    done = run(*words, "--json")
    assert done.exit_code == 0, done.exception
    for line in done.stdout.splitlines():
        assert json.loads(line)["waiting_labels"] == {"stable": 4}
    assert "load version 4, and stable stays at version 3" in done.stderr
    assert "versions: 3 versions: 4" in (tmp_path / "out/models.config").read_text()
    done = run(*words)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "{ versions: 4 }" in (tmp_path / "out/models.config").read_text()


def test_labels_move_to_versions_that_the_server_has(run, toy_server, tmp_path):
    words = ["--name", "translator", "--server", toy_server.address, "--force"]
    assert run("--version", "3", "--label", "stable=3").exit_code == 0
    for _ in range(2):  # it serves version 1 only
        done = run("--version", "4", "--label", "stable=4", *words)
        assert "stable stays at version 3" in done.stderr


def test_a_second_time_needs_force(run):
    assert run().exit_code == 0
    assert isinstance(run().exception, FileExistsError)
    assert run("--force").exit_code == 0
