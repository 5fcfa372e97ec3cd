"""The serving benchmark runs from end to end, with a server of its own."""

import json
import sys

import pytest
from benchmark_run import SMALL, run_benchmark

from benchmarks.serve_roundtrip.parts import serving_messages
from benchmarks.serve_roundtrip.round_trips import measure_requests
from benchmarks.serving_process import serve


def test_both_ways_get_the_same_requests_in_turns():
    asked = []

    def way(name):
        return lambda texts: asked.append((name, tuple(texts))) or []

    ways = {name: way(name) for name in ("grpc", "inprocess")}
    found = measure_requests(ways, list("abc"), sizes=[1, 2], requests=2, rounds=1)
    counted = asked[8:]  # after two warm-ups of each size and way
    assert [name for name, _ in counted] == ["grpc", "inprocess"] * 4
    assert [texts for _, texts in counted[::2]] == [
        ("a",), ("b",), ("a", "b"), ("c", "a"),
    ]  # fmt: skip
    assert [texts for _, texts in counted[::2]] == [t for _, t in counted[1::2]]
    assert found["grpc_ms_batch2"] <= found["grpc_p95_ms_batch2"]
    low, high = found["added_cost_batch1_spread"]
    assert -1 < low <= found["added_cost_batch1"] <= high


def test_what_the_server_needs_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with pytest.raises(ImportError, match=r"Received: .*\. Install it with: pip"):
        serving_messages()


def test_a_server_that_stops_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="exit code 2"), serve(tmp_path / "none"):
        pass


@pytest.mark.slow
def test_one_line_says_what_grpc_costs():
    few = ["--train-epochs", "1", "--requests", "2", "--rounds", "2"]
    done = run_benchmark("serve_roundtrip", *SMALL, "--json", *few, "--beam-size", "1")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    for size in (1, 8, 32):
        for way in ("grpc", "inprocess"):
            assert found[f"{way}_ms_batch{size}"] > 0
        low, high = found[f"added_cost_batch{size}_spread"]
        assert low <= found[f"added_cost_batch{size}"] <= high
    for part in ("parse", "tokenise", "serialise", "client_read"):
        assert found[f"{part}_ms"] > 0
    assert "encode_decode_ms" in found
    assert found["beam_size"] == 1
