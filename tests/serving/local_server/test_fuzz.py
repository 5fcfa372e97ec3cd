"""Requests of any shape get a proper status, and the server survives.

`FUZZ_EXAMPLES=5000` sends more, and different ones each time; `make soak` does.
"""

import json
import os
import re
import socket

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import model_pb2, predict_pb2

from keras_attn.serving.client import Client

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
FEW = settings(
    max_examples=EXAMPLES or 60,
    deadline=None,
    database=None,
    derandomize=not EXAMPLES,
    suppress_health_check=list(HealthCheck),
)
# The message of an exception that the server does not expect.
UNEXPECTED = re.compile(r"\w+(Error|Exception|Exit|Interrupt)\(")


@pytest.fixture(scope="module", autouse=True)
def server(toy_server):
    yield toy_server
    with Client(toy_server.address) as client:  # it must have survived all of it
        assert client.translate(["ein Hund"])[0].text == "HUND EIN"


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.address) as channel:
        yield channel


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=f"http://{server.rest_address}", timeout=30) as client:
        yield client


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.builds(lambda text: {"b64": text}, st.text("QUJD=+/ é", max_size=8))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "a", "b", "b64", ""]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
BODIES = st.dictionaries(
    st.sampled_from(["inputs", "instances", "examples"]), VALUES, max_size=2
)
SIGNATURES = st.sampled_from(["", "translate", "failing", "compiled", "zz"]) | VALUES


def check(response):
    assert response.status_code in (200, 400, 500, 501), response.content
    # A message may repeat bytes of the request that are not UTF-8.
    body = json.loads(response.content.decode("utf-8", "replace"))
    if response.status_code == 200:
        assert body.keys() & {"outputs", "predictions"}
    else:
        assert body.keys() == {"error"}
        assert not UNEXPECTED.match(body["error"]), body
        if response.status_code == 500:
            assert body == {"error": "XLA compilation disabled"}


@given(body=BODIES, signature=SIGNATURES)
@FEW
def test_json_of_any_shape(http, body, signature):
    content = json.dumps({**body, "signature_name": signature}).encode()
    check(http.post("/v1/models/translator:predict", content=content))


@given(
    body=st.binary(max_size=40)
    | st.builds(
        lambda text, at, more: text[:at] + more + text[at:],
        st.just(b'{"inputs": ["a", {"b64": "QQ=="}], "signature_name": ""}'),
        st.integers(0, 56),
        st.binary(max_size=3),
    )
)
@FEW
def test_bytes_of_any_kind(http, body):
    check(http.post("/v1/models/translator:predict", content=body))


HEADERS = st.dictionaries(
    st.sampled_from(
        ["Accept", "Accept-Encoding", "Content-Encoding", "Content-Type", "Expect", "X"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
    | st.sampled_from(["gzip", "100-continue", "text/plain; charset=x", "*/*"]),
    max_size=3,
)
PATHS = st.builds(
    "".join,
    st.lists(
        st.sampled_from(["/v1", "/models", "/translator", "/versions/1", "/labels/x"])
        | st.sampled_from([":predict", ":classify", "/metadata", "%", "%zz", "//", "?"])
        | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=5),
        max_size=5,
    ),
)


@given(
    method=st.sampled_from(["GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "X"]),
    path=st.just("/v1/models/translator:predict") | PATHS,
    headers=HEADERS,
    body=st.just(b'{"inputs": ["a"]}') | st.binary(max_size=20),
)
@FEW
def test_requests_of_any_kind_over_a_socket(server, method, path, headers, body):
    host, _, port = server.rest_address.rpartition(":")
    fields = {
        "Host": "x",
        "Connection": "close",
        "Content-Length": str(len(body)),
        **headers,
    }
    lines = [f"{name}: {value}\r\n" for name, value in fields.items()]
    head = f"{method} /{path.lstrip('/')} HTTP/1.1\r\n{''.join(lines)}\r\n"
    received = b""
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        while part := connection.recv(65536):
            received += part
    status = re.findall(rb"^HTTP/1.1 (\d+) ", received, re.MULTILINE)[-1]
    assert int(status) < 500 or status in (b"501", b"505"), received


def valid_request():
    request = predict_pb2.PredictRequest(
        model_spec=model_pb2.ModelSpec(name="translator", signature_name="translate"),
        output_filter=["score"],
    )
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(np.array(["ein Hund"])))
    return request.SerializeToString()


VALID = valid_request()


def status(channel, method, message):
    """Returns the code and the message that a call ends with."""
    call = channel.unary_unary(f"/tensorflow.serving.{method}")
    future = call.future(message, timeout=20)
    future.exception()  # waits
    return future.code(), future.details() or ""


METHODS = [
    *(
        f"PredictionService/{name}"
        for name in ("Predict", "Classify", "MultiInference", "GetModelMetadata")
    ),
    "ModelService/GetModelStatus",
]


@given(
    method=st.sampled_from([METHODS[0], *METHODS]),
    begin=st.integers(0, len(VALID)),
    length=st.integers(0, 4),
    more=st.binary(max_size=4),
)
@FEW
def test_messages_of_any_bytes(channel, method, begin, length, more):
    message = VALID[:begin] + more + VALID[begin + length :]
    code, details = status(channel, method, message)
    assert code != grpc.StatusCode.UNKNOWN, details
    assert not UNEXPECTED.match(details), details


DTYPES = st.integers(-1, 30)
SIZES = st.lists(st.sampled_from([0, 1, 2, 3, -1, 2**31, 2**62]), max_size=3)


@given(
    dtype=DTYPES,
    sizes=SIZES,
    content=st.binary(max_size=12),
    texts=st.lists(st.binary(max_size=3), max_size=3),
    numbers=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
)
@FEW
def test_tensors_of_any_kind(channel, dtype, sizes, content, texts, numbers):
    request = predict_pb2.PredictRequest.FromString(VALID)
    tensor = request.inputs["text"]
    tensor.Clear()
    tensor.dtype = dtype
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = content
    tensor.string_val.extend(texts)
    tensor.int_val.extend(numbers)
    code, details = status(channel, METHODS[0], request.SerializeToString())
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT), details
