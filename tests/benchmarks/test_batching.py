"""The batching benchmark runs, chooses, and the defaults follow what is stored."""

import inspect
import json

import pytest
from benchmark_run import SMALL, run_benchmark

from benchmarks.batching.plan import CLIENTS, choose, plan
from benchmarks.own_pages import read_result
from keras_attn.serving.client import Client
from keras_attn.serving.deploy.options import DeployOptions
from keras_attn.serving.local_server.batching import BatchingParameters
from keras_attn.serving.signature import MOST_WARMUP_TEXTS


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


def test_settings_are_what_a_server_reads(tmp_path):
    batched = [setting for setting in plan(2) if setting.parameters is not None]
    assert len(batched) == len(set(batched)) == 8
    for setting in batched:
        path = tmp_path / "parameters.txt"
        path.write_text(setting.parameters)
        read = BatchingParameters.read(path)
        assert read.max_batch_size == setting.max_batch_size
        assert read.num_batch_threads == setting.num_batch_threads


def test_a_setting_must_hold_a_request_refuse_none_and_not_wait_long():
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


def test_a_batch_holds_what_a_client_sends():
    default = inspect.signature(Client).parameters["batch_size"].default
    assert choose([point(None, 1, 50, 30), point(default, 32, 60, 90)])


def test_the_defaults_of_a_deployment_are_those_measured(tmp_path):
    stored = read_result("batching")
    options = DeployOptions(tmp_path)
    if stored is None:  # nothing to follow: then the middle of what is measured
        stored = {"chosen": {"max_batch_size": 32, "batch_timeout_micros": 2000}}
    for name, value in stored["chosen"].items():
        assert getattr(options, name) == value


@pytest.mark.slow
def test_a_short_run():
    done = run_benchmark("batching", *SMALL, "--seconds", 0.5, "--json")
    # So short a time may leave no setting to choose; the rest is measured all the same.
    assert done.returncode == 0 or "The middle of the plan" in done.stderr, done.stderr
    if done.returncode == 0:
        points = json.loads(done.stdout)["points"]
        assert {each["clients"] for each in points} == set(CLIENTS)
        assert all(each["per_second"] > 0 for each in points)


def test_every_setting_takes_the_warmup_requests_of_a_version():
    sizes = [setting.max_batch_size for setting in plan(2) if setting.parameters]
    assert min(sizes) >= MOST_WARMUP_TEXTS
