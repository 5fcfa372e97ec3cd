"""Round trips, batching parameters and the soak run: counted and chosen right."""

import inspect
import threading

import pytest

from benchmarks import measuring
from benchmarks.batching import choose, settings_to_measure
from benchmarks.report import read_result
from benchmarks.serve_roundtrip import measure_requests
from benchmarks.soak.load import Load, Tally
from benchmarks.soak.server import SoakServer
from benchmarks.translators import serve, take_test
from keras_attn.serving import Client
from keras_attn.serving.deploy.options import DeployOptions
from keras_attn.serving.local_server.batching import BatchingParameters
from keras_attn.serving.signature import MAX_WARMUP_TEXTS
from keras_attn.training.corpora import Corpus, CorpusError, SentencePair, Split

PAIRS = Split.of(
    [SentencePair("ein Hund", "a dog"), SentencePair("ein Haus", "a home")]
)


def corpus(**tests):
    return Corpus(
        source_language="de",
        target_language="en",
        train=PAIRS,
        validation=PAIRS,
        tests=tests,
    )


def test_the_first_test_is_translated():
    name, pairs = take_test(corpus(one=PAIRS, two=PAIRS), 1)
    assert name == "one"
    assert [pair.source for pair in pairs] == ["ein Hund"]
    assert len(take_test(corpus(one=PAIRS), None)[1]) == 2
    with pytest.raises(CorpusError, match=r"Received: no test\. Put test\.de"):
        take_test(corpus(), None)


def test_all_ways_get_the_same_requests(monkeypatch):
    monkeypatch.setattr(measuring, "measure_sgemm", lambda: 1e11)
    sent = []

    def way(name):
        return lambda texts: sent.append((name, tuple(texts))) or []

    ways = {name: way(name) for name in ("grpc", "inprocess", "peer_grpc")}
    metrics = measure_requests(ways, list("abc"), sizes=[1, 2], requests=2, rounds=1)
    counted = sent[12:]  # after two warm-ups of each size and way
    assert [name for name, _ in counted] == 2 * [
        "grpc", "grpc", "inprocess", "inprocess", "peer_grpc", "peer_grpc",
    ]  # fmt: skip
    assert [texts for _, texts in counted] == [
        *3 * [("a",), ("b",)], *3 * [("a", "b"), ("c", "a")],
    ]  # fmt: skip
    assert metrics["grpc_ms_batch2"] <= metrics["grpc_p95_ms_batch2"]
    low, high = metrics["added_cost_batch1_spread"]
    assert -1 < low <= metrics["added_cost_batch1"] <= high
    assert metrics["ratio_batch2"] > 0
    assert "fast_ratio_batch2" not in metrics


def test_a_server_that_stops_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="exit code 2"), serve(tmp_path / "none"):
        pass


def point(size, clients, rate, p50, refused=0):
    return {
        "threads": 2,
        "max_batch_size": size,
        "batch_timeout_micros": 0 if size is None else 2000,
        "num_batch_threads": 0 if size is None else 2,
        "max_enqueued_batches": 0 if size is None else 100,
        "clients": clients,
        "per_second": rate,
        "p50_ms": p50,
        "p95_ms": 2 * p50,
        "refused": refused,
    }


def test_a_server_reads_every_setting_and_takes_its_warmup_requests(tmp_path):
    settings = settings_to_measure(2)
    batched = [setting for setting in settings if setting.parameters is not None]
    assert len(batched) == len(set(batched)) == 8
    for setting in batched:
        path = tmp_path / "parameters.txt"
        path.write_text(setting.parameters)
        read = BatchingParameters.read(path)
        assert read.max_batch_size == setting.max_batch_size >= MAX_WARMUP_TEXTS
        assert read.num_batch_threads == setting.num_batch_threads


def test_a_chosen_setting_holds_a_request_refuses_none_and_waits_little():
    points = [point(None, 1, 50, 30), point(None, 32, 60, 500)]
    points += [point(32, 1, 50, 30), point(32, 32, 200, 90)]
    middle = {"max_batch_size": 32, "batch_timeout_micros": 2000}
    assert choose(points) == middle
    assert choose([*points, point(16, 32, 400, 90)]) == middle  # a client sends 32
    assert choose([*points, point(64, 32, 400, 90, refused=1)]) == middle
    some = point(64, 8, 300, 40, refused=1)  # of fewer clients counts as well
    assert choose([*points, some, point(64, 32, 400, 90)]) == middle
    late = {**point(64, 32, 400, 90), "batch_timeout_micros": 4000}
    assert choose([*points, late]) == middle
    assert choose([*points, point(64, 32, 210, 90)]) == middle  # noise
    assert choose([*points, point(64, 32, 230, 90)])["max_batch_size"] == 64
    with pytest.raises(ValueError, match="The middle of the plan"):
        choose(points[:2])
    default = inspect.signature(Client).parameters["batch_size"].default
    assert choose([point(None, 1, 50, 30), point(default, 32, 60, 90)])


def test_the_defaults_of_a_deployment_are_those_measured(tmp_path):
    options = DeployOptions(tmp_path)
    for name, value in read_result("batching")["chosen"].items():
        assert getattr(options, name) == value


def test_threads_share_a_tally():
    tally = Tally()

    def work(outcome):
        for number in range(1000):
            tally.send()
            tally.receive(outcome, number / 1000, expected=outcome != "INTERNAL")

    outcomes = ("right", "right", "wrong", "UNAVAILABLE", "INTERNAL")
    threads = [threading.Thread(target=work, args=(name,)) for name in outcomes]
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


def test_failures_outside_of_an_outage_are_unexpected(tmp_path):
    tally, stopped = Tally(), SoakServer(tmp_path, tmp_path / "batching.txt")
    stopped.address = "127.0.0.1:9"
    with Load(stopped, {"a": set()}, tally, clients=2, seed=0) as load:
        while not tally.report()["failed_unexpectedly"]:
            pass
        with load.outage():
            pass
    report = tally.report()
    assert report["failed"].keys() == {"UNAVAILABLE", "ConnectError"}  # gRPC and REST
    unexpected = report["failed_unexpectedly"].values()
    assert 0 < sum(unexpected) < sum(report["failed"].values())
    assert report["right"] == report["lost"] == 0
