"""`keras-attn translate --file`: by a server and by a translator."""

import json

import pytest
import typer
from typer.testing import CliRunner

from keras_attn.serving import Client
from keras_attn.serving.commands import translate as module
from keras_attn.serving.commands.translate import translate
from keras_attn.serving.local_server.server import LocalServer

TSV = b"id\ttext\r\n1\tein Hund\r\n2\t\r\n"


def run(*words):
    app = typer.Typer()
    app.command()(translate)
    return CliRunner().invoke(app, [str(word) for word in words])


def failing_after(calls, function):
    def fail_later(*arguments, **options):
        nonlocal calls
        calls -= 1
        if calls < 0:
            raise ConnectionError
        return function(*arguments, **options)

    return fail_later


@pytest.fixture(scope="module")
def address(toy_folders):
    with LocalServer(toy_folders[1].parent, threads=1) as server:
        server.start()
        yield server.address


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_bytes(TSV)
    return path


def test_a_server_translates_a_column(address, rows, tmp_path):
    out = tmp_path / "out.tsv"
    done = run(
        "--server", address, "--file", rows, "--column", "text", "--out", out, "--json"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"out": str(out), "texts": 1}
    assert out.read_bytes() == TSV.replace(b"ein Hund", b"HUND EIN")


def test_another_version_on_the_server_does_not_continue(
    address, rows, tmp_path, monkeypatch
):
    out = tmp_path / "out.tsv"
    rows.write_bytes(b"text\n" + b"ein Hund\n" * 600)
    words = ["--server", address, "--file", rows, "--column", "text", "--out", out]
    with monkeypatch.context() as patch:
        patch.setattr(Client, "translate", failing_after(1, Client.translate))
        assert isinstance(run(*words).exception, ConnectionError)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_newest_version", lambda _: 17)
        refused = run(*words).exception
        assert isinstance(refused, FileExistsError)
        assert "begun with another version. Run" in str(refused)
    refused = run(*words, "--prefix", "a").exception
    assert "begun with another --prefix. Run" in str(refused)
    done = run(*words)
    assert "512 of 600 texts" in done.stderr
    assert out.read_bytes() == b"text\n" + b"HUND EIN\n" * 600


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--file", "a.txt"], "without --out"),
        (["Hund", "--file", "a.txt", "--out", "b.txt"], "with TEXTS"),
        (
            ["--file", "a", "--out", "b", "--attention", "text"],
            "--attention or --links",
        ),
        (["Hund", "--wrapped"], "without --file"),
        (["--field", "text"], "without --file"),
        (["--file", "a.jsonl", "--out", "b.jsonl"], "Give --field NAME"),
        (["--file", "a", "--out", "b", "--column", "c", "--field", "d"], "both"),
    ],
)
def test_options_that_exclude_each_other(words, message):
    refused = run("--server", "127.0.0.1:1", *words).exception
    assert isinstance(refused, ValueError)
    assert message in str(refused)


@pytest.mark.slow  # loads the preset and traces its graph
def test_the_demo_translates_a_field(tmp_path):
    path, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(b'{"n": 1.50, "de": "  Der Hund schl\\u00e4ft.\\n\\n"}\r\n')
    words = ["-t", "demo", "--file", path, "--field", "de", "--out", out]
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert out.read_bytes() == b'{"n": 1.50, "de": "  The dog sleeps.\\n\\n"}\r\n'
