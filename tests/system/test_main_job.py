"""The commands as a user composes them: train, evaluate, export, serve, ask."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tiny_run import TINY

from keras_attn.training.corpora.builtin import generate

COMMAND = [sys.executable, "-m", "keras_attn.cli"]


def command(*words, stdin=None, code=0):
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("main_job")


@pytest.fixture(scope="module")
def trained(folder):
    parts = "training.batch_parts=2"  # as the recipe has it
    done = command("train", "demo", *TINY, parts, "--out", folder / "run")
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["translator"] == str(folder / "run" / "translator.keras")
    for shown in ("epoch 2/2", "loss", "accuracy", "perplexity", "tokens/s"):
        assert shown in done.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def server(trained, folder):
    done = command("export", trained, folder / "models")
    assert done.stdout.strip() == str(folder / "models" / "1")
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


def test_evaluate_scores_the_runs_own_test(trained, folder):
    hypotheses = folder / "hypotheses.txt"
    done = command("evaluate", trained, "--json", "--outputs", hypotheses)
    scores = json.loads(done.stdout)
    assert scores["data"] == "test"
    assert scores["sentences"] == scores["aligned_sentences"] == 30
    assert 0 <= scores["bleu"] <= 100
    assert 0 <= scores["aer"] <= 1
    assert len(hypotheses.read_text().split("\n")) == 31
    # Against its own translations, of which nothing differs.
    done = command("evaluate", trained, "--json", "--against", hypotheses)
    compared = json.loads(done.stdout)
    assert compared["chrf"] == compared["chrf_against"] == scores["chrf"]
    assert compared["chrf_p_value"] == 1
    assert sum(each["sentences"] for each in compared["by_length"]) == 30
    # `train` made a page, without scores; `report` makes it again with them.
    page = trained / "report.html"
    assert scores["ter_signature"] not in page.read_text()
    assert command("report", trained).stdout.strip() == str(page)
    assert scores["ter_signature"] in page.read_text()


def test_evaluate_scores_files(trained, folder):
    pairs = list(generate("test", 3))
    for name, side in (("s", "source"), ("t", "target"), ("a", "alignment")):
        lines = [getattr(pair, side) + "\n" for pair in pairs]
        (folder / name).write_text("".join(lines))
    files = ["--source", folder / "s", "--target", folder / "t"]
    done = command("evaluate", trained, *files, "--alignment", folder / "a")
    for name in ("BLEU", "lower-cased", "chrF2", "TER", "case:mixed", "aer"):
        assert name in done.stdout


def test_the_server_answers_as_the_translator(trained, server):
    texts = [pair.source for pair in generate("test", 40)] + [
        "",
        "  ",
        "ẞ 🙂",
        "x" * 80,
    ]
    stdin = "".join(text + "\n" for text in texts)
    answers = [
        [
            json.loads(line)
            for line in command(
                "translate", *where, "--json", stdin=stdin
            ).stdout.splitlines()
        ]
        for where in (["--server", server], ["--translator", trained])
    ]
    assert len(answers[0]) == len(texts)
    for text, remote, local in zip(texts, *answers, strict=True):
        assert remote["source"] == text
        for name in ("text", "source_tokens", "target_tokens", "target_truncated"):
            assert remote[name] == local[name]
        np.testing.assert_allclose(
            remote["attention"], local["attention"], rtol=0, atol=1e-5
        )
    assert answers[0][40]["text"] == answers[0][41]["text"] == ""


@pytest.mark.parametrize("form", ["html", "png"])
def test_attention_files(server, tmp_path, form):
    path = tmp_path / f"map.{form}"
    ask = ["translate", "--server", server, "Der Hund schläft.", "--attention", form]
    done = command(*ask, "--out", path)
    assert f"wrote {path}" in done.stderr
    start = path.read_bytes()[:15]
    assert start == b"<!doctype html>" if form == "html" else start[1:4] == b"PNG"


def test_attention_in_the_terminal(server):
    ask = ["translate", "--server", server, "Der Hund schläft.", "--attention", "text"]
    shown = command(*ask).stdout
    for word in ("Der", "Hund", "schläft"):
        assert word in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["translate", "x"], "by --translator or by --server"),
        (["translate", "x", "--translator", "nowhere"], "Received: nowhere"),
        (["evaluate", "nowhere"], "Received: nowhere"),
        (["report", "nowhere"], "Received: nowhere"),
        (["train", "dmo", "--out", "o"], "Did you mean 'demo'?"),
        (["train", "demo", "model.dropuot=1", "--out", "o"], "model.dropout"),
    ],
)
def test_refusals_say_what_and_how(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command(*words, code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_gone_is_named():
    ask = ["translate", "x", "--server", "127.0.0.1:9", "--timeout", "2"]
    done = command(*ask, code=1)
    assert "UNAVAILABLE" in done.stderr
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_killed_training_leaves_nothing_that_looks_finished(folder):
    run = folder / "killed"
    process = subprocess.Popen(
        [*COMMAND, "train", "demo", *TINY, "training.epochs=500", "--out", str(run)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 200
    while not list(run.glob("checkpoints/step-*")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = command("evaluate", run, code=2)
    assert "when it is finished" in done.stderr
    done = command("export", run, folder / "killed_models", code=2)
    assert "when it is finished" in done.stderr
    done = command("train", "demo", *TINY, "--out", run, code=2)
    assert "training.epochs=2 instead of 500, for the unfinished run" in done.stderr
    done = command("train", "--resume", "--out", folder / "nowhere", code=2)
    assert "which holds none" in done.stderr
    done = command("train", "--out", folder / "nowhere", code=2)
    assert "A run needs a recipe" in done.stderr
