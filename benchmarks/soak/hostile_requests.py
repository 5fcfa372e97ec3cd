"""Requests that claim, nest, mix or hold more than a server should give them."""

import contextlib
import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from benchmarks.soak.load import PREDICT
from benchmarks.soak.site import Site
from keras_attn.serving.wire.messages import message_class
from keras_attn.serving.wire.tensors import write_tensor

_RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
_REST = "/v1/models/translator:predict"
_SECONDS = 60
_STREAMS = 100
_BODIES = 256
_NEIGHBOURS = 20  # of each kind
_STRING = 7  # number of the dtype
_REFUSED = {"INVALID_ARGUMENT"}


def starve_by_streams(site: Site) -> None:
    """More reflection streams and health watches than there are threads for."""
    ended = threading.Event()

    def endless(request):
        yield request
        ended.wait(_SECONDS)

    list_services = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.insecure_channel(site.server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        watches = [
            health.Watch(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
            for _ in range(_STREAMS)
        ]
        streams = [
            reflection.ServerReflectionInfo(endless(list_services), timeout=_SECONDS)
            for _ in range(_STREAMS)
        ]
        for fault, calls in (
            ("health_watches", watches),
            ("reflection_streams", streams),
        ):
            for call in calls:
                site.count(fault, {"OK", "RESOURCE_EXHAUSTED"}, next, call)
        site.check()
        check = health_pb2.HealthCheckRequest()
        site.count("health_beside_streams", {"OK"}, health.Check, check, timeout=5)
        for call in watches:
            call.cancel()
        for call in streams:  # the server itself ends those that it took
            if call.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                site.count("reflection_ended", {"CANCELLED"}, next, call)
        ended.set()


def leave_bodies_unfinished(site: Site) -> None:
    """REST requests whose bodies never end, all at once."""
    host, _, port = site.server.rest_url.removeprefix("http://").rpartition(":")
    head = f"POST {_REST} HTTP/1.1\r\nHost: {host}\r\n"
    head += "Content-Type: application/json\r\n"
    sized = f'{head}Content-Length: 100\r\n\r\n{{"inputs": ["ein'.encode()
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\nffffff\r\n[".encode()
    with contextlib.ExitStack() as stack:
        connections = []
        for number in range(_BODIES):
            connection = socket.create_connection((host, int(port)), _SECONDS)
            connections.append(stack.enter_context(connection))
            connection.sendall(chunked if number % 2 else sized)
        site.check()
        for connection in connections:
            site.count("unfinished_bodies", {"408"}, _read_status, connection)


def claim_rows(site: Site) -> None:
    """Small messages for many rows: the last value stands for all missing ones."""
    _predict(
        site,
        "implied_rows",
        *(
            _tensor_request(shape, values)
            for shape in ([100_000], [1_000_000], [2**40])
            for values in ([], [b"x"], [b"a", b"b"])
        ),
        expected=_REFUSED,
    )


def claim_sizes(site: Site) -> None:
    """Lengths and shapes that nothing can have."""
    shapes = [2**31], [2**62], [2**63 - 1], [2**40, 2**40], [-1], [1, 2**40], [1] * 300
    _predict(
        site,
        "claimed_shapes",
        *(_tensor_request(shape, [b"x"]) for shape in shapes),
        expected=_REFUSED,
    )
    # A field whose length is given as 2 GiB and more.
    lengths = b"\xff\xff\xff\xff\x07", b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\x01"
    _predict(
        site,
        "claimed_lengths",
        *(b"\x0a" + length + b"translator" for length in lengths),
        expected={"INTERNAL"},
    )
    for length in (2**31, 2**40, 10**30):
        site.count("claimed_body", {"400", "413"}, _post_head, site, length)


def nest_deeply(site: Site) -> None:
    """Brackets, objects and groups inside each other."""
    opened = b"[" * 20_000
    bodies = (
        opened,
        b'{"inputs": ' + opened + b"]" * 20_000 + b"}",
        b'{"inputs": ' * 20_000,
        b'{"instances": [' + b'{"text": [' * 20_000,
    )
    for body in bodies:
        site.count("nested_json", {"400"}, _post, site, body)
    # Each pair of bytes begins a group of an unknown field.
    _predict(site, "nested_groups", b"\xfb\x01" * 20_000, expected={"INTERNAL"})


def reload_elsewhere(site: Site) -> None:
    """Reloads of paths with a NUL, outside of the server's folders, and too many."""
    base = str(site.models_dir)
    cases = {
        "reload_nul": (["/tmp/\0x"], _REFUSED),
        "reload_outside": (["/", "/etc", f"{base}/../.."], {"PERMISSION_DENIED"}),
        "reload_no_folder": ([f"{base}/none", "relative", ""], _REFUSED),
    }
    with grpc.insecure_channel(site.server.address) as channel:
        call = channel.unary_unary(_RELOAD)
        for fault, (paths, expected) in cases.items():
            for path in paths:
                site.count(fault, expected, call, _reload([path]), timeout=_SECONDS)
        many = _reload([base] * 1000)
        site.count("reload_many", _REFUSED, call, many, timeout=_SECONDS)


def join_malformed(site: Site) -> None:
    """Requests of another dtype, rank or number of rows, beside good ones in batches.

    None of these may fail: they are counted by the load.
    """
    inputs = {
        "neighbour_dtype": (np.array([1], np.int32), _REFUSED),
        "neighbour_rank": (np.array([["x"]]), _REFUSED),
        "neighbour_scalar": (np.array("x"), _REFUSED),
        "neighbour_no_rows": (np.array([], "S"), {"OK"}),
        "neighbour_empty_rows": (np.empty((0, 3), "S"), _REFUSED),
    }
    with grpc.insecure_channel(site.server.address) as channel:
        call = channel.unary_unary(PREDICT)
        for _ in range(_NEIGHBOURS):
            pending = {
                fault: call.future(_request(array), timeout=_SECONDS)
                for fault, (array, _) in inputs.items()
            }
            for fault, future in pending.items():
                site.count(fault, inputs[fault][1], future.result)


HOSTILE: tuple[Callable[[Site], None], ...] = (
    starve_by_streams,
    leave_bodies_unfinished,
    claim_rows,
    claim_sizes,
    nest_deeply,
    reload_elsewhere,
    join_malformed,
)


def _predict(site: Site, fault: str, *messages: bytes, expected: set[str]) -> None:
    with grpc.insecure_channel(site.server.address) as channel:
        call = channel.unary_unary(PREDICT)
        for message in messages:
            site.count(fault, expected, call, message, timeout=_SECONDS)


def _request(array: np.ndarray) -> bytes:
    """Returns a request that the client would not send."""
    request = message_class("PredictRequest")()
    request.model_spec.name = "translator"
    write_tensor(request.inputs["text"], array)
    return request.SerializeToString()


def _tensor_request(shape: Sequence[int], values: Sequence[bytes]) -> bytes:
    request = message_class("PredictRequest")()
    request.model_spec.name = "translator"
    request.output_filter.append("score")
    tensor = request.inputs["text"]
    tensor.dtype = _STRING
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.string_val.extend(values)
    return request.SerializeToString()


def _reload(paths: Sequence[str]) -> bytes:
    request = message_class("ReloadConfigRequest")()
    for number, path in enumerate(paths):
        request.config.model_config_list.config.add(
            name=f"model-{number}", base_path=path, model_platform="tensorflow"
        )
    return request.SerializeToString()


def _read_status(connection: socket.socket) -> str:
    """Returns the HTTP status of the next response."""
    return connection.recv(65536).decode().split(maxsplit=2)[1]


def _post(site: Site, body: bytes) -> str:
    """Returns the HTTP status of a Predict request."""
    request = urllib.request.Request(
        site.server.rest_url + _REST, body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            return str(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return str(error.code)


def _post_head(site: Site, length: int) -> str:
    """Returns the HTTP status of a request that claims a length, without a body."""
    address = site.server.rest_url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=_SECONDS)
    with contextlib.closing(connection):
        connection.putrequest("POST", _REST)
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        return str(connection.getresponse().status)
