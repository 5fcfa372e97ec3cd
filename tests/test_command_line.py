"""Streams and progress of the subcommands, on pipes and on a terminal."""

import json
import os
import pty
import subprocess
import sys
import types

import pytest

from keras_attn import command_line
from keras_attn.command_line import progress, track_progress, waiting

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
