"""What is counted, and that clients cannot fill the memory by names."""

import contextlib

import httpx
from prometheus_client.parser import text_string_to_metric_families

from keras_attn.serving import Client
from keras_attn.serving.local_server.errors import invalid_argument
from keras_attn.serving.local_server.metrics import Metrics


def fail(metrics, name):
    with (
        contextlib.suppress(Exception),
        metrics.request(name, "predict", "REST"),
    ):
        raise invalid_argument("no")


def test_failed_requests_count_and_have_no_latency():
    metrics = Metrics()
    fail(metrics, "a")
    page = metrics.page()
    assert 'request_count{model_name="a",status="INVALID_ARGUMENT"} 1' in page
    assert "request_latency_count" not in page


def test_names_of_failed_requests_are_bounded():
    metrics = Metrics()
    for number in range(3000):
        fail(metrics, f"{number}" + "x" * 10_000)
    with metrics.request("translator", "predict", "REST"):
        pass
    fail(metrics, "translator")
    page = metrics.page()
    assert len(page) < 400_000
    assert 'request_count{model_name="",status="INVALID_ARGUMENT"} 2000' in page
    assert 'request_count{model_name="translator",status="OK"} 1' in page
    assert 'request_count{model_name="translator",status="INVALID_ARGUMENT"} 1' in page


def runs(server, suffix):
    """Returns the samples of the runtime's latency on the Prometheus page."""
    url = f"http://{server.rest_address}/monitoring/prometheus/metrics"
    return [
        sample
        for family in text_string_to_metric_families(httpx.get(url).text)
        for sample in family.samples
        if sample.name == f":tensorflow:serving:runtime_latency_{suffix}"
    ]


def test_runs_are_timed_as_predict_whatever_the_port(toy_server):
    url = f"http://{toy_server.rest_address}/v1/models/translator:predict"
    before = sum(sample.value for sample in runs(toy_server, "count"))
    with Client(toy_server.address) as client:
        client.translate(["ein Hund"])
    assert httpx.post(url, json={"inputs": ["ein Hund"]}).status_code == 200
    assert httpx.post(url, json={"inputs": [1]}).status_code == 400
    [count] = runs(toy_server, "count")
    labels = {"model_name": "translator", "API": "Predict", "runtime": "TF1"}
    assert count.labels == labels
    assert count.value == before + 2
    buckets = runs(toy_server, "bucket")
    assert [bucket.labels["le"] for bucket in buckets[:3]] == ["10", "18", "32.4"]
    assert [bucket.labels["le"] for bucket in buckets[-1:]] == ["+Inf"]
    assert buckets[-1].value == count.value
    [total] = runs(toy_server, "sum")
    assert total.value > 0
