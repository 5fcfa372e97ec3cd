"""What people see of a long piece of work."""

import pytest

from keras_attn.training import progress
from keras_attn.training.progress import shown


@pytest.fixture
def clock(monkeypatch):
    """Time that goes by the item, not by the machine."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def work(clock, count, seconds):
    for item in range(count):
        clock[0] += seconds
        yield item


def test_long_work_is_counted_and_short_work_is_silent(clock, capsys):
    assert list(shown(work(clock, 5_000, 0.01), "reading")) == list(range(5_000))
    assert capsys.readouterr().err == "reading: 5,000 in 50 s\n"
    assert len(list(shown(work(clock, 5_000, 0.0001), "reading"))) == 5_000
    assert capsys.readouterr().err == ""


def test_items_of_many_things_count_as_these(clock, capsys):
    list(shown(work(clock, 4, 9), "tokenising", total=3_500, size=1_000))
    assert capsys.readouterr().err == "tokenising: 3,500 in 36 s\n"


def test_an_error_in_the_work_comes_through(clock):
    def broken():
        yield from work(clock, 2_000, 1)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        list(shown(broken(), "reading"))
