"""Work in several threads: order, overlap, and what happens when a call fails."""

import threading

import pytest

from keras_attn.parallel import cores, parallel_map


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_results_have_the_order_of_the_items(threads):
    items = list(range(20))
    assert list(parallel_map(str, items, threads)) == [str(i) for i in items]
    assert list(parallel_map(str, [], threads)) == []


def test_two_calls_run_at_the_same_time():
    both = threading.Barrier(2, timeout=20)  # one alone would wait in vain
    found = parallel_map(lambda item: (both.wait(), item)[1], ["a", "b"], 2)
    assert list(found) == ["a", "b"]


def test_one_thread_is_the_callers():
    here = threading.get_ident()
    assert set(parallel_map(lambda _: threading.get_ident(), "ab", 1)) == {here}


def test_what_fails_is_raised_and_stops_what_has_not_begun():
    begun = []
    failed = threading.Event()

    def call(item):
        begun.append(item)
        if item:
            failed.wait(20)  # until the first has failed and the rest is called off
        else:
            raise ValueError("no")

    results = parallel_map(call, list(range(50)), 2)
    threading.Timer(0.5, failed.set).start()
    with pytest.raises(ValueError, match="no"):
        list(results)
    assert len(begun) < 50


def test_there_is_a_core():
    assert cores() >= 1
