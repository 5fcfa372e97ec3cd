"""The soak run counts right, and a short one comes through."""

import json
import threading

import pytest
from benchmark_run import run_benchmark

from benchmarks.soak.faults import FAULTS
from benchmarks.soak.load import Load
from benchmarks.soak.server import SoakServer
from benchmarks.soak.tally import Tally


def test_threads_share_a_tally():
    tally = Tally()

    def work(outcome):
        for number in range(1000):
            tally.send()
            tally.receive(outcome, number / 1000, expected=outcome != "INTERNAL")

    outcomes = ("right", "right", "wrong", "UNAVAILABLE", "INTERNAL")
    threads = [threading.Thread(target=work, args=(each,)) for each in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = tally.report()
    assert report["requests"] == 5000
    assert (report["right"], report["wrong"], report["lost"]) == (2000, 1000, 0)
    assert report["failed"] == {"UNAVAILABLE": 1000, "INTERNAL": 1000}
    assert report["failed_unexpectedly"] == {"INTERNAL": 1000}
    assert report["p50_ms"] == pytest.approx(500, abs=1)
    assert report["p99_ms"] == pytest.approx(990, abs=2)


def test_failures_outside_of_an_outage_are_not_expected(tmp_path):
    tally, nobody = Tally(), SoakServer(tmp_path)
    nobody.address = "127.0.0.1:9"
    with Load(nobody, {"a": set()}, tally, clients=2, seed=0) as load:
        while not tally.report()["failed_unexpectedly"]:
            pass
        with load.outage():
            pass
    report = tally.report()
    assert (
        report["failed"]["UNAVAILABLE"] > report["failed_unexpectedly"]["UNAVAILABLE"]
    )
    assert report["right"] == report["lost"] == 0


@pytest.mark.slow
def test_a_short_run():
    done = run_benchmark("soak", "--requests", 300, "--clients", 4)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["requests"] >= found["right"] >= 300
    assert (found["wrong"], found["lost"]) == (0, 0)
    assert found["failed_unexpectedly"] == {}
    assert set(found["failed"]) <= {"UNAVAILABLE"}  # while it was down
    assert found["server_exit_code"] == 0
    assert len(found["server_mib"]) == 2  # one process was killed
    for memory in found["server_mib"]:
        assert 0 < memory["first"] <= memory["most"]
    odd = found["odd_requests"]
    assert set(odd["connections"]) == {"OK"}
    assert odd["oversized"] == {"OK": 2, "RESOURCE_EXHAUSTED": 1}
    assert (found["versions_swapped"], found["restarts"]) == (2, 1)
    assert "OK" not in odd["malformed"]
    assert not set(odd["malformed"]) - {"INVALID_ARGUMENT", "INTERNAL"}
    for fault in FAULTS:
        assert fault.__name__ in done.stderr
