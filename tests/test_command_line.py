"""Streams and progress of the subcommands, on pipes and on a terminal."""

import json
import os
import pty
import subprocess
import sys
import types
from pathlib import Path

import pytest

from keras_attn import command_line
from keras_attn.command_line import check_output, progress, track_progress, waiting

WORK = """
import sys
from keras_attn.command_line import (
    log, print_result, progress, track_progress, waiting,
)
with waiting("loading"):
    log("a note")
for item in track_progress([1, 2, 3], "counting"):
    print_result({"item": item}, str(item), "--json" in sys.argv)
with progress("reading", 10) as advance:
    advance(10)
"""


def run(*arguments, stderr=subprocess.PIPE):
    return subprocess.run(
        [sys.executable, "-c", WORK, *arguments],
        stdout=subprocess.PIPE, stderr=stderr, text=True, check=True, timeout=60,
    )  # fmt: skip


def test_a_pipe_gets_results_and_notes_alone():
    done = run()
    assert done.stdout == "1\n2\n3\n"
    assert done.stderr == "a note\n"


def test_json_is_one_object_a_line():
    found = [json.loads(line) for line in run("--json").stdout.splitlines()]
    assert found == [{"item": 1}, {"item": 2}, {"item": 3}]


def test_a_terminal_sees_progress_and_results_stay_clean():
    leader, follower = pty.openpty()
    done = run("--json", stderr=follower)
    os.close(follower)
    display = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # as Linux says that the other end is closed
            break
        if not piece:
            break
        display += piece
    os.close(leader)
    for part in (b"loading", b"counting", b"reading", b"100%", b"a note"):
        assert part in display, part
    assert [json.loads(line)["item"] for line in done.stdout.splitlines()] == [1, 2, 3]


@pytest.mark.parametrize("show", [waiting, lambda doing: progress(doing, 3)])
def test_an_error_passes_through_and_ends_the_bar(show, capsys):
    with pytest.raises(KeyError, match="the work"), show("working"):
        raise KeyError("the work")
    with show("working again"):  # rich allows one at a time
        pass
    assert capsys.readouterr().out == ""


def test_items_are_read_one_at_a_time():
    read = []
    items = track_progress((read.append(i) or i for i in range(3)), "reading")
    assert next(items) == 0
    assert read == [0]


@pytest.fixture
def clock(monkeypatch):
    """Time that goes by the item, not by the machine."""
    now = [0.0]
    # Not `time.monotonic` itself: servers of other tests run in this process.
    stopped = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(command_line, "time", stopped)
    return now


def work(clock, count, seconds):
    for item in range(count):
        clock[0] += seconds
        yield item


def test_long_work_leaves_a_line_and_short_work_none(clock, capsys):
    items = track_progress(work(clock, 5_000, 0.01), "reading")
    assert list(items) == list(range(5_000))
    assert capsys.readouterr().err == "reading: 5,000 in 50 s\n"
    items = track_progress(work(clock, 5_000, 0.0001), "reading")
    assert len(list(items)) == 5_000
    assert capsys.readouterr().err == ""


def test_items_of_many_units_count_as_these(clock, capsys):
    list(track_progress(work(clock, 4, 9), "tokenising", total=3_500, size=1_000))
    assert capsys.readouterr().err == "tokenising: 3,500 in 36 s\n"


def test_an_error_in_the_work_comes_through(clock):
    def broken():
        yield from work(clock, 2_000, 1)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        list(track_progress(broken(), "reading"))


def test_an_output_that_can_be_written_is_accepted_and_left_as_it_is(tmp_path):
    (tmp_path / "old.txt").write_text("old")
    (tmp_path / "link").symlink_to("old.txt")
    check_output(None)
    for name in ("new.txt", "old.txt", "link"):
        check_output(tmp_path / name)
    check_output(tmp_path / "a" / "b" / "new.keras", parents=True)
    for folder in (tmp_path, tmp_path / "a" / "b"):
        check_output(folder, folder=True)
    check_output(Path("/dev/null"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


def test_an_output_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"must exist.*Make .*missing first"):
        check_output(tmp_path / "missing" / "new.txt")
    with pytest.raises(IsADirectoryError, match="a folder"):
        check_output(tmp_path)
    (tmp_path / "file").touch()
    for path, options in (
        (tmp_path / "file" / "new", {"parents": True}),
        (tmp_path / "file", {"folder": True}),
        (tmp_path / "file" / "new", {"folder": True}),
        (tmp_path / ("n" * 300), {}),
        (Path("/proc/new.txt"), {}),
        (Path("/proc/a/new.keras"), {"parents": True}),
    ):
        with pytest.raises(
            OSError, match=r"(?s)writable before.*Received.*Name an"
        ) as e:
            check_output(path, **options)
        assert f"Received: {path} (" in str(e.value)
    # A file that its owner has marked; whoever is root may write to it all the same.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="file \\(Permission denied"):
        check_output(tmp_path / "file")


# Of each command that writes files or folders, with an output that cannot be written.
WRITING = {
    "train": ["train", "demo", "--out", "/proc/run"],
    "train, cache": ["train", "demo", "corpus.cache=/proc/run", "--out", "run"],
    "evaluate": ["evaluate", "GOOD", "--outputs", "/proc/x", "--tsv", "pairs.tsv"],
    "report": ["report", "RUN", "--out", "/proc/page.html"],
    "align": [
        *("align", "GOOD", "--source", "text", "--target", "text"),
        *("--out", "/proc/links"),
    ],
    "ensemble": ["ensemble", "GOOD", "GOOD", "--out", "/proc/new.keras"],
    "shortlist": ["shortlist", "GOOD", "--out", "/proc/new.keras"],
    "translate, page": [
        *("translate", "-t", "GOOD", "a", "--attention", "html"),
        *("--out", "/proc/page.html"),
    ],
    "translate, picture": [
        *("translate", "-t", "GOOD", "a", "--attention", "png"),
        *("--out", "/proc/picture.png"),
    ],
    "export": ["export", "GOOD", "/proc/models"],
    "deploy": ["deploy", "/proc/deployment", "--models", "models"],
}


@pytest.mark.parametrize("arguments", WRITING.values(), ids=WRITING.keys())
def test_every_command_refuses_such_an_output_before_it_works(
    arguments, tmp_path, monkeypatch, capsys
):
    from keras_attn import Translator, cli, presets
    from keras_attn.training import fit
    from keras_attn.training.loop import machine
    from keras_attn.training.recipes import load_recipe
    from keras_attn.training.runs.run_folder import RunFolder

    monkeypatch.chdir(tmp_path)
    Path("text").write_text("ein Hund\n")
    Path("pairs.tsv").write_text("ein Hund\ta dog\n")
    Path("RUN").mkdir()
    Path("models/1").mkdir(parents=True)
    RunFolder(Path("RUN")).begin(load_recipe("demo"))
    monkeypatch.setattr(Translator, "load", pytest.fail)
    monkeypatch.setattr(fit, "load_corpus", pytest.fail)
    monkeypatch.setattr(machine, "keep_freed_memory", lambda: None)
    monkeypatch.setattr(fit, "set_operation_threads", lambda options: None)
    good = str(presets.find_preset("demo"))
    words = [good if word == "GOOD" else word for word in arguments]
    monkeypatch.setattr(sys, "argv", ["keras-attn", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("keras-attn: error: An output must be writable before")
    assert "Received: /proc/" in line
    assert end.value.code == 2
