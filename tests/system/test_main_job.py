"""The commands as a user composes them: train, evaluate, export, serve, translate.

Training and the server are processes of their own. The other commands run in this
process, which has imported TensorFlow already.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from tiny_run import TINY, read_lines, start_training, wait_for

from keras_attn.cli import main
from keras_attn.training.corpora.builtin import generate

COMMAND = [sys.executable, "-m", "keras_attn.cli"]


class Output(NamedTuple):
    stdout: str
    stderr: str


def command(*words, stdin="", code=0):
    """Runs `keras-attn` in this process and returns what it printed."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["keras-attn", *map(str, words)])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with (
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            pytest.raises(SystemExit) as ended,
        ):
            main()
    assert (ended.value.code or 0) == code, stderr.getvalue()
    return Output(stdout.getvalue(), stderr.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("main_job")


@pytest.fixture(scope="module")
def trained(trained_run, folder):
    """A copy of the shared run, since evaluation writes into it."""
    return shutil.copytree(trained_run.folder, folder / "run")


@pytest.fixture(scope="module")
def server(trained, folder):
    output = command("export", trained, folder / "models")
    assert output.stdout.strip() == str(folder / "models" / "1")
    process = subprocess.Popen(
        [*COMMAND, "serve", str(folder / "models"), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    assert line.startswith("listening on "), line
    yield line.split()[2]
    process.send_signal(signal.SIGTERM)
    with process:
        assert process.wait(timeout=30) == 0


def test_evaluate_scores_the_runs_own_test_and_files_alike(trained, folder):
    hypotheses = folder / "hypotheses.txt"
    table = command("evaluate", trained, "--outputs", hypotheses).stdout
    for name in ("BLEU", "lower-cased", "chrF2", "TER", "case:mixed", "aer"):
        assert name in table
    assert len(hypotheses.read_text().split("\n")) == 31
    [scores] = read_lines(trained / "scores.jsonl")
    assert scores["data"] == "test"
    assert scores["sentences"] == scores["aligned_sentences"] == 30
    assert 0 <= scores["bleu"] <= 100
    assert 0 <= scores["aer"] <= 1
    # The same pairs as files, compared with its own translations.
    pairs = list(generate("test", 30))
    for name, side in (("s", "source"), ("t", "target"), ("a", "alignment")):
        lines = [getattr(pair, side) + "\n" for pair in pairs]
        (folder / name).write_text("".join(lines))
    files = ["--source", folder / "s", "--target", folder / "t"]
    files += ["--alignment", folder / "a", "--against", hypotheses]
    compared = json.loads(command("evaluate", trained, *files, "--json").stdout)
    for name in ("bleu", "chrf", "ter", "aer"):
        assert compared[name] == pytest.approx(scores[name])
    assert compared["chrf"] == compared["chrf_against"]
    assert compared["chrf_p_value"] == 1
    assert sum(part["sentences"] for part in compared["by_length"]) == 30
    # The page that `train` made has no scores; `report` adds them.
    page = trained / "report.html"
    assert scores["ter_signature"] not in page.read_text()
    assert command("report", trained).stdout.strip() == str(page)
    assert scores["ter_signature"] in page.read_text()


def test_the_server_translates_as_the_translator(trained, server):
    texts = [pair.source for pair in generate("test", 40)] + [
        "",
        "  ",
        "ẞ 🙂",
        "x" * 80,
    ]
    stdin = "".join(text + "\n" for text in texts)
    remote, local = (
        [
            json.loads(line)
            for line in command(
                "translate", *where, "--json", stdin=stdin
            ).stdout.splitlines()
        ]
        for where in (["--server", server], ["--translator", trained])
    )
    assert len(remote) == len(texts)
    for text, served, expected in zip(texts, remote, local, strict=True):
        assert served["source"] == text
        for name in ("text", "source_tokens", "target_tokens", "target_truncated"):
            assert served[name] == expected[name]
        np.testing.assert_allclose(
            served["attention"], expected["attention"], rtol=0, atol=1e-5
        )
    assert [remote[40]["text"], remote[41]["text"]] == ["", "  "]


@pytest.mark.parametrize("form", ["html", "png"])
def test_attention_files(server, tmp_path, form):
    path = tmp_path / f"map.{form}"
    words = ["translate", "--server", server, "Der Hund schläft.", "--attention", form]
    output = command(*words, "--out", path)
    assert f"wrote {path}" in output.stderr
    start = path.read_bytes()[:15]
    assert start == b"<!doctype html>" if form == "html" else start[1:4] == b"PNG"


def test_attention_in_the_terminal(server):
    words = ["translate", "--server", server, "Der Hund schläft."]
    shown = command(*words, "--attention", "text").stdout
    for word in ("Der", "Hund", "schläft"):
        assert word in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["translate", "x"], "Exactly one of --translator and --server"),
        (["translate", "x", "--translator", "nowhere"], "Received: nowhere"),
        (["evaluate", "nowhere"], "Received: nowhere"),
        (["report", "nowhere"], "Received: nowhere"),
        (["train", "dmo", "--out", "o"], "Did you mean 'demo'?"),
        (["train", "demo", "model.dropuot=1", "--out", "o"], "model.dropout"),
        (["train", "--resume", "--out", "nowhere"], "which holds none"),
        (["train", "--out", "nowhere"], "A run needs a recipe"),
    ],
)
def test_refusals_say_what_and_how(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = command(*words, code=2)
    assert message in output.stderr
    assert "Traceback" not in output.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_gone_is_named():
    words = ["translate", "x", "--server", "127.0.0.1:9", "--timeout", "2"]
    output = command(*words, code=1)
    assert "UNAVAILABLE" in output.stderr
    assert "127.0.0.1:9" in output.stderr
    assert "Traceback" not in output.stderr


@pytest.mark.slow  # a training
def test_killed_training_leaves_nothing_that_looks_finished(folder):
    run = folder / "killed"
    process = start_training(run, *TINY, "training.epochs=500")
    wait_for(lambda: list(run.glob("checkpoints/step-*")), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    output = command("evaluate", run, code=2)
    assert "when it is finished" in output.stderr
    output = command("export", run, folder / "killed_models", code=2)
    assert "when it is finished" in output.stderr
    output = command("train", "demo", *TINY, "--out", run, code=2)
    assert "training.epochs=2 instead of 500, for the unfinished run" in output.stderr
