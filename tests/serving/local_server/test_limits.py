"""What a request may ask for, what all may hold, and who may starve whom."""

import contextlib
import gc
import threading
import time
import weakref

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from keras_attn.serving.client import Client, ServingError
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.grpc_calls import Calls, Slots
from keras_attn.serving.local_server.limits import ByteBudget, Limits
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.wire.messages import message_class

PREDICT = "/tensorflow.serving.PredictionService/Predict"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
CHECK = "/grpc.health.v1.Health/Check"
LIMITS = Limits(
    max_requests=4,
    max_message_bytes=100_000,
    max_rows=100,
    max_response_bytes=2000,
    max_open_bytes=200_000,
    body_seconds=1.0,
)


@pytest.fixture(scope="module")
def server(toy_folders):
    """A server with low limits; tests must leave it idle."""
    with LocalServer(toy_folders[2].parent, threads=1, limits=LIMITS) as server:
        server.start()
        yield server


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.address) as channel:
        yield channel


@pytest.fixture
def client(server):
    with Client(server.address, attempts=1) as client:
        yield client


class Parts:
    """The requests of a stream, which ends when the test ends it."""

    def __init__(self, *parts):
        self.parts = parts
        self.ended = threading.Event()

    def __iter__(self):
        yield from self.parts
        self.ended.wait(20)


def is_ready(client):
    """A slot is free again a moment after its call has ended."""
    for _ in range(100):
        with contextlib.suppress(ServingError):
            return client.translate(["ein Hund"])[0].text == "HUND EIN"
        time.sleep(0.02)
    return False


def is_healthy(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    return stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == 1


def refusal(call):
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value.code().name, error.value.details()


class TestLimits:
    @pytest.mark.parametrize(
        ("name", "value"), [("max_rows", 0), ("max_requests", -1), ("body_seconds", 0)]
    )
    def test_must_be_positive(self, name, value):
        with pytest.raises(ValueError, match=f"Received: {name}={value}"):
            Limits(**{name: value})

    @pytest.mark.parametrize(
        ("name", "highest"), [("max_nesting", 500), ("max_message_bytes", 2**31 - 1)]
    )
    def test_have_an_upper_bound(self, name, highest):
        assert getattr(Limits(**{name: highest}), name) == highest
        with pytest.raises(ValueError, match=rf"1\.\.{highest}\. Received: {name}="):
            Limits(**{name: highest + 1})

    def test_rows(self, client):
        assert (
            len(
                client.predict({"text": np.array(["a"] * 100)}, outputs=["score"])[
                    "score"
                ]
            )
            == 100
        )
        with pytest.raises(ServingError, match=r"at most 100 rows\. Received: 101"):
            client.predict({"text": np.array(["a"] * 101)})

    def test_responses(self, client):
        texts = np.array(["a b c d e f g h i j"] * 8)
        with pytest.raises(ServingError, match="at most 2000 bytes") as error:
            client.predict({"text": texts})
        assert error.value.code == "RESOURCE_EXHAUSTED"
        assert len(client.predict({"text": texts}, outputs=["score"])["score"]) == 8

    def test_messages_of_many_empty_parts(self, channel):
        """Each part takes two bytes, and twenty times as many once it is parsed."""
        call = channel.unary_unary(PREDICT)
        request = message_class("PredictRequest")()
        request.model_spec.name = "translator"
        tensor = request.inputs["text"]
        tensor.dtype = 7
        tensor.tensor_shape.dim.add(size=1)
        tensor.string_val.extend([b""] * 40_000)
        code, details = refusal(lambda: call(request.SerializeToString(), timeout=5))
        assert code == "INVALID_ARGUMENT"
        assert "640000 bytes" in details
        del tensor.string_val[:]
        for _ in range(40_000):
            tensor.tensor_shape.dim.add()
        assert refusal(lambda: call(request.SerializeToString(), timeout=5)) == (
            "INVALID_ARGUMENT",
            "tensor parsing error: text",
        )

    def test_messages_nested_without_end(self, channel, client):
        call = channel.unary_unary(PREDICT)
        groups = b"\xfb\x01" * 40_000  # each begins a group of an unknown field
        assert refusal(lambda: call(groups, timeout=5))[0] == "INTERNAL"
        assert is_ready(client)


class TestByteBudget:
    def test_is_given_back(self):
        budget = ByteBudget(10)
        for _ in range(3):
            with budget.hold(6):
                with pytest.raises(
                    RequestError, match="a request for 5 bytes beside 6"
                ):
                    budget.take(5)
                assert budget.held == 6
        assert budget.held == 0

    def test_limits_open_requests_together(self, channel, client):
        """Three requests of 90,000 bytes are more than the budget has."""
        slow = message_class("PredictRequest")()
        slow.model_spec.name, slow.model_spec.signature_name = "translator", "slow"
        steps = slow.inputs["steps"]
        steps.dtype = 9
        steps.tensor_shape.dim.add(size=1)
        steps.int64_val.append(2**60)
        steps.string_val.append(b"x" * 90_000)  # is carried along unread
        call = channel.unary_unary(PREDICT)
        message = slow.SerializeToString()
        first, second = (call.future(message, timeout=0.8) for _ in "ab")
        time.sleep(0.3)
        code, details = refusal(lambda: call(message, timeout=5))
        assert code == "RESOURCE_EXHAUSTED"
        assert "--max-open-bytes" in details
        for running in (first, second):
            assert running.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert is_ready(client)


class Context:
    """A call that is open."""

    def add_callback(self, callback):
        return True

    def abort(self, code, details):
        raise Exception(details)


class Request:
    """A request that is anything."""

    @classmethod
    def FromString(cls, body):
        return cls()


@pytest.mark.parametrize("size", [0, 100_000], ids=["small", "large"])
def test_a_refused_request_is_freed_at_once(size):
    """Exceptions that refer to themselves would keep it until Python collects them."""
    requests = []

    def refuse(request, context=None):
        requests.append(weakref.ref(request))
        raise RequestError(grpc.StatusCode.ABORTED, "no")

    calls = Calls(Limits())
    gc.disable()
    try:
        for refusing in ([refuse], [lambda *_: None, refuse]):
            handler = calls.unary(
                refusing[0], Request, Slots("calls", 1), *refusing[1:]
            )
            with contextlib.suppress(Exception):
                handler.stream_unary(iter([b"x" * size]), Context())
        time.sleep(0.05)  # for the thread that parses
        assert [request() for request in requests] == [None, None]
    finally:
        gc.enable()
        calls.stop()


def test_a_cancelled_call_is_forgotten(server, channel, client):
    """A client may go before its message has arrived."""
    parts = Parts()
    calls = [channel.stream_unary(PREDICT).future(iter(parts)) for _ in range(4)]
    time.sleep(0.1)
    for call in calls:
        call.cancel()
    parts.ended.set()
    assert is_ready(client)
    time.sleep(0.1)
    assert server._grpc._calls._stalled._waiting == {}


class TestStarvation:
    """No kind of calls keeps out another one."""

    def test_health_watches(self, channel, client):
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="x" * 1000)
        watches = [stub.Watch(request, timeout=30) for _ in range(64)]
        unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        assert {next(watch).status for watch in watches} == {unknown}
        code, details = refusal(lambda: next(stub.Watch(request, timeout=5)))
        assert (code, details) == (
            "RESOURCE_EXHAUSTED",
            "At most 64 health watches may be open at once. Received: one more. Try "
            "later.",
        )
        assert is_healthy(channel)
        assert is_ready(client)
        for watch in watches:
            watch.cancel()

    def test_reflection_streams_end_with_their_time(self, channel, client):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        parts = Parts(request)
        streams = [stub.ServerReflectionInfo(iter(parts), timeout=30) for _ in range(8)]
        assert all(
            next(stream).HasField("list_services_response") for stream in streams
        )
        code, _ = refusal(lambda: next(stub.ServerReflectionInfo(iter([request]))))
        assert code == "RESOURCE_EXHAUSTED"
        assert is_healthy(channel)
        assert is_ready(client)
        assert [refusal(lambda s=stream: next(s))[0] for stream in streams] == [
            "CANCELLED"
        ] * 8
        assert next(stub.ServerReflectionInfo(iter([request]), timeout=5))
        parts.ended.set()

    def test_messages_that_never_arrive(self, channel, client):
        parts = Parts()
        counts = {PREDICT: 4, RELOAD: 4, CHECK: 10}
        calls = [
            channel.stream_unary(method).future(iter(parts), timeout=30)
            for method, count in counts.items()
            for _ in range(count)
        ]
        time.sleep(0.2)
        assert is_healthy(channel)
        with pytest.raises(
            ServingError, match="At most 4 requests may be open at once"
        ):
            client.translate(["a"])
        for call in calls:
            assert call.exception(20).code() == grpc.StatusCode.CANCELLED
        assert is_ready(client)
        parts.ended.set()
