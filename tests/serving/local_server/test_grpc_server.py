"""The gRPC port beside its services: health, reflection, limits, TLS, metrics."""

import concurrent.futures
import threading
import time

import grpc
import httpx
import numpy as np
import prometheus_client.parser
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
)

from keras_attn.serving.client import Client, ServingError
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.option_files import read_credentials
from keras_attn.serving.local_server.server import LocalServer


@pytest.fixture
def serve(toy_folders):
    """Returns a function that starts a server of the toy's version 2."""
    servers = []

    def start(**options):
        server = LocalServer(toy_folders[2].parent, threads=1, **options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop(grace=0)


SERVING = health_pb2.HealthCheckResponse.SERVING
NAMES = ["", "PredictionService", "tensorflow.serving.ModelService"]


def test_health_becomes_not_serving_at_the_end(serve):
    server = serve()
    with grpc.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in NAMES:
            request = health_pb2.HealthCheckRequest(service=name)
            assert stub.Check(request, timeout=20).status == SERVING
        watched = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watched).status == SERVING
        stopper = threading.Thread(target=server.stop, args=(2,))
        stopper.start()
        assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watched.cancel()
        stopper.join()


def test_reflection_lists_the_services(toy_server):
    with grpc.insecure_channel(toy_server.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (response,) = stub.ServerReflectionInfo(iter([request]), timeout=20)
    names = {service.name for service in response.list_services_response.service}
    assert {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "grpc.health.v1.Health",
    } <= names


def is_free_again(client):
    """A run is cancelled at its deadline, which frees its thread a moment later."""
    for _ in range(100):
        try:
            return bool(client.translate(["a"]))
        except ServingError:
            time.sleep(0.02)
    return False


def test_requests_beyond_the_limit_are_refused(serve):
    server = serve(limits=Limits(max_requests=2), rest_port=0, rest_timeout=0.8)
    slow = {"signature_name": "slow", "inputs": [2**60]}
    with Client(server.address, timeout=0.8) as client:

        def ask(_):
            with pytest.raises(ServingError) as error:
                client.predict({"steps": np.int64([2**60])}, signature="slow")
            return error.value.code

        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            codes = sorted(pool.map(ask, range(5)))
        assert codes == ["DEADLINE_EXCEEDED"] * 2 + ["RESOURCE_EXHAUSTED"] * 3
        assert is_free_again(client)  # the two were cancelled
    url = f"http://{server.rest_address}/v1/models/translator:predict"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(httpx.post, url, json=slow, timeout=20) for _ in "ab"]
        time.sleep(0.2)
        response = httpx.post(url, json=slow, timeout=20)
    assert [call.result().status_code for call in running] == [504, 504]
    assert response.status_code == 429
    assert response.json() == {"error": "2 requests are open already"}


def test_a_message_over_the_limit_is_refused(serve):
    server = serve(limits=Limits(max_message_bytes=2000))
    with Client(server.address, attempts=1) as client:
        assert client.translate(["x" * 1500])
        with pytest.raises(ServingError, match="larger than max") as refused:
            client.translate(["x" * 2000])
        assert refused.value.code == "RESOURCE_EXHAUSTED"
        assert client.translate(["Hund"])[0].text == "HUND"


@pytest.mark.parametrize("limit", [0, 2**31])
def test_an_impossible_message_limit_is_refused(limit):
    with pytest.raises(ValueError, match=f"Received: max_message_bytes={limit}"):
        Limits(max_message_bytes=limit)


def test_models_are_changed_over_grpc(serve, toy_folders):
    server = serve()
    with grpc.insecure_channel(server.address) as channel, Client(server.address) as c:
        reload = model_service_pb2_grpc.ModelServiceStub(
            channel
        ).HandleReloadConfigRequest
        request = model_management_pb2.ReloadConfigRequest()
        listed = request.config.model_config_list.config
        old = listed.add(name="translator", model_platform="tensorflow")
        old.base_path = str(toy_folders[1].parent)
        old.model_version_policy.specific.versions.extend([1, 2])
        new = listed.add(name="other", model_platform="tensorflow")
        new.base_path = old.base_path
        assert reload(request, timeout=60).status.error_code == 0
        with Client(server.address, model="other") as other:
            assert other.translate(["ein Hund"])[0].text == "HUND EIN"
        # The model is not new, so the call does not wait for its version 1.
        for _ in range(200):
            if len(c.status()) == 2 and c.status()[1].state == "AVAILABLE":
                break
            time.sleep(0.02)
        old.version_labels["stable"] = 1
        reload(request, timeout=60)
        old.version_labels["canary"] = 9
        with pytest.raises(grpc.RpcError) as error:
            reload(request, timeout=60)
        assert error.value.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_the_prometheus_page(serve):
    server = serve(rest_port=0)
    url = f"http://{server.rest_address}"
    predict = f"{url}/v1/models/translator:predict"
    for _ in range(3):
        httpx.post(predict, json={"inputs": ["a"]}, timeout=20)
    httpx.post(predict, json={"inputs": 1}, timeout=20)
    with Client(server.address) as client:
        client.translate(["a"])
        with pytest.raises(ServingError):
            client.predict({"text": np.array(["a"])}, signature="zz")
    page = httpx.get(f"{url}/monitoring/prometheus/metrics", timeout=20)
    assert page.headers["content-type"].startswith("text/plain")
    families = prometheus_client.parser.text_string_to_metric_families(page.text)
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }

    def value(name, **labels):
        labels = {"model_name": "translator", **labels}
        return samples[(f":tensorflow:serving:{name}", *sorted(labels.items()))]

    # The parser appends the suffix of the newer format.
    assert value("request_count_total", status="OK") == 4
    assert value("request_count_total", status="INVALID_ARGUMENT") == 1
    assert value("request_count_total", status="FAILED_PRECONDITION") == 1
    assert "\n:tensorflow:serving:request_count{" in page.text
    rest = {"API": "predict", "entrypoint": "REST"}
    assert value("request_latency_count", **rest) == 3  # the failed one has none
    assert value("request_latency_bucket", le="+Inf", **rest) == 3
    assert value("request_latency_bucket", le="10", **rest) == 0
    assert value("request_latency_sum", **rest) > 0
    assert 'le="32.4"' in page.text


class TestTls:
    @pytest.fixture
    def authority(self):
        return trustme.CA()

    def config(self, folder, authority, **more):
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        fields = {
            "server_key": certificate.private_key_pem.bytes().decode(),
            "server_cert": certificate.cert_chain_pems[0].bytes().decode(),
            **more,
        }
        path = folder / "ssl.pbtxt"
        path.write_text(
            "".join(
                f"{name}: {str(value).lower()}\n"
                if isinstance(value, bool)
                else f'{name}: "{value.encode("unicode_escape").decode()}"\n'
                for name, value in fields.items()
            )
        )
        return path

    def is_healthy(self, server, credentials):
        with grpc.secure_channel(server.address, credentials) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest()
            return stub.Check(request, timeout=10).status == SERVING

    def test_encrypts(self, serve, authority, tmp_path):
        path = self.config(tmp_path, authority)
        server = serve(credentials=read_credentials(path))
        root = authority.cert_pem.bytes()
        assert self.is_healthy(server, grpc.ssl_channel_credentials(root))
        stranger = grpc.ssl_channel_credentials(trustme.CA().cert_pem.bytes())
        with pytest.raises(grpc.RpcError):
            self.is_healthy(server, stranger)
        with Client(server.address, timeout=5) as client, pytest.raises(ServingError):
            client.status()

    def test_verifies_clients(self, serve, authority, tmp_path):
        root = authority.cert_pem.bytes()
        path = self.config(
            tmp_path, authority, custom_ca=root.decode(), client_verify=True
        )
        server = serve(credentials=read_credentials(path))
        with pytest.raises(grpc.RpcError):
            self.is_healthy(server, grpc.ssl_channel_credentials(root))
        own = authority.issue_cert("client")
        known = grpc.ssl_channel_credentials(
            root, own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes()
        )
        assert self.is_healthy(server, known)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("server_key: 'key.pem'", "`server_key` must be a PEM text, no file name"),
            ("key: 'x'", "must be a SSLConfig in protobuf's text format"),
        ],
    )
    def test_refused_files(self, tmp_path, text, message):
        path = tmp_path / "ssl.pbtxt"
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_credentials(path)

    def test_client_verification_needs_an_authority(self, authority, tmp_path):
        path = self.config(tmp_path, authority, client_verify=True)
        with pytest.raises(ValueError, match="`client_verify` needs `custom_ca`"):
            read_credentials(path)
