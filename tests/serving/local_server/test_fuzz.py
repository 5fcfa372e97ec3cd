"""Requests and option files of any shape get a proper answer; the server survives.

`FUZZ_EXAMPLES=5000` sends more, and different ones each time; `make soak` does.
"""

import contextlib
import json
import os
import re
import shutil
import socket

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import (
    model_management_pb2,
    model_pb2,
    predict_pb2,
)

from keras_attn.serving.client import Client
from keras_attn.serving.deploy.options import DeployOptions
from keras_attn.serving.deploy.rollout import next_step
from keras_attn.serving.local_server import model_versions
from keras_attn.serving.local_server.batching import BatchingParameters
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.model_versions import ModelVersions
from keras_attn.serving.local_server.models import Models
from keras_attn.serving.local_server.option_files import read_credentials
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.wire.messages import message_class

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
FEW = settings(
    max_examples=EXAMPLES or 60,
    deadline=None,
    database=None,
    derandomize=not EXAMPLES,
    suppress_health_check=list(HealthCheck),
)
# The message of an exception that the server does not expect.
UNEXPECTED = re.compile(r"Unexpected failure|\w+(Error|Exception|Exit|Interrupt)\(")


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


def raised(kinds, function, *arguments):
    """Calls a function and returns its exception; `None`: it raised none."""
    try:
        function(*arguments)
    except kinds as error:
        return error
    return None


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
        "Host": "localhost",
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
SIZES = st.lists(
    st.sampled_from([0, 1, 2, 3, -1, 129, 2**31, 2**40, 2**62, 2**63 - 1]), max_size=3
)


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


PARTS = st.sampled_from([b'{"inputs": ', b'["a"]', b"}", b'{"b64": "'])
RIGHT_CHUNKS = (PARTS | st.binary(min_size=1)).map(
    lambda part: b"%x\r\n%b\r\n" % (len(part), part)
)
# The bytes on the wire of parts of a body, each with a size that may be wrong.
CHUNKS = st.lists(
    st.builds(
        lambda size, part: b"%x\r\n%b\r\n" % (size or len(part), part),
        st.sampled_from([1, 2**31, 2**64, 10**30]),
        PARTS | st.binary(),
    )
    | RIGHT_CHUNKS
    | st.sampled_from([b"0\r\n\r\n", b"-1\r\n", b"zz\r\n", b"1;a=b\r\n{\r\n", b"\r\n"]),
    max_size=4,
)


@given(
    body=st.tuples(CHUNKS, st.just(False))
    | st.tuples(st.lists(RIGHT_CHUNKS, max_size=4), st.just(True))
)
@FEW
def test_bodies_in_parts_over_a_socket(server, body):
    chunks, is_whole = body
    host, _, port = server.rest_address.rpartition(":")
    head = (
        "POST /v1/models/translator:predict HTTP/1.1\r\nHost: localhost\r\n"
        "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    received = b""
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        with contextlib.suppress(OSError):  # it may have answered and closed already
            connection.sendall(head.encode() + b"".join(chunks))
            if is_whole:
                connection.sendall(b"0\r\n\r\n")
            else:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                received += part
    statuses = re.findall(rb"^HTTP/1.1 (\d+) ", received, re.MULTILINE)
    assert all(int(status) < 500 for status in statuses), received
    assert statuses or not is_whole, "a body that ends must be answered"


@pytest.fixture(scope="module")
def batching_channel(toy_folders, tmp_path_factory):
    """To a server that joins requests into batches."""
    models_dir = tmp_path_factory.mktemp("batching")
    shutil.copytree(toy_folders[1], models_dir / "1")
    batching = BatchingParameters(
        max_batch_size=32, batch_timeout_micros=5000, num_batch_threads=1
    )
    with LocalServer(models_dir, threads=1, batching=batching) as server:
        server.start()
        with grpc.insecure_channel(server.address) as channel:
            yield channel


# More elements than Python can count.
@example(dtype=7, sizes=[2, 2**62], texts=[], outputs=[])
@given(
    dtype=st.sampled_from([7, 7, 1, 3, 9]),
    sizes=SIZES,
    texts=st.lists(st.binary(max_size=3), max_size=3),
    outputs=st.lists(st.sampled_from(["score", "translation", "zz"]), max_size=2),
)
@FEW
def test_neighbours_of_any_kind_fail_no_request(
    batching_channel, dtype, sizes, texts, outputs
):
    call = batching_channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    request = predict_pb2.PredictRequest.FromString(VALID)
    request.output_filter[:] = outputs or ["score"]
    tensor = request.inputs["text"]
    tensor.Clear()
    tensor.dtype = dtype
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    tensor.string_val.extend(texts)
    odd = request.SerializeToString()
    messages = [VALID, odd, VALID, odd, VALID]
    futures = [call.future(message, timeout=20) for message in messages]
    for future in futures[::2]:
        response = predict_pb2.PredictResponse.FromString(future.result())
        assert response.outputs["score"].float_val[:] == [-3.0]
    for future in futures[1::2]:
        future.exception()  # waits
        assert future.code() in (
            grpc.StatusCode.OK,
            grpc.StatusCode.INVALID_ARGUMENT,
        ), future.details()


class Version:
    """Stands for a loaded SavedModel."""

    def __init__(self, folder):
        pass

    def close(self):
        pass


@pytest.fixture(scope="module")
def no_collection():
    """A garbage collection takes long in a process with so many imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_versions, "return_freed_memory", lambda: None)
        yield


@pytest.fixture(scope="module")
def reload_base(tmp_path_factory):
    base = tmp_path_factory.mktemp("reload")
    for number in (1, 2, 3):
        (base / "m" / str(number)).mkdir(parents=True)
    (base / "empty").mkdir()
    (base / "loop").symlink_to(base / "loop")
    (base / "out").symlink_to("/")
    return base


TEXTS = st.text(max_size=6) | st.sampled_from(["m", "\0", "x" * 300, "/" * 5000])
NUMBERS = st.sampled_from([1, 2, 99, -1, 0, 2**63 - 1, -(2**63)])
MODELS = st.fixed_dictionaries(
    {"name": TEXTS, "base_path": TEXTS | st.just("/etc")},
    optional={
        "base": st.sampled_from(["m", "empty", "none", "loop", "out", "..", "m/1"]),
        "model_platform": st.sampled_from(["tensorflow", "torch", "\0"]),
        "model_type": st.integers(0, 3),
        "labels": st.dictionaries(TEXTS, NUMBERS, max_size=2),
        "versions": st.lists(NUMBERS, max_size=3),
        "latest": st.integers(0, 2**32 - 1),
        "all": st.booleans(),
    },
)


REFUSALS = {"INVALID_ARGUMENT", "PERMISSION_DENIED", "FAILED_PRECONDITION"}


def reload_message(base, models):
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    for values in models:
        model = request.config.model_config_list.config.add(
            name=values["name"],
            base_path=values["base_path"],
            model_platform=values.get("model_platform", "tensorflow"),
            model_type=values.get("model_type", 0),
        )
        if "base" in values:
            model.base_path = str(base / values["base"])
        model.version_labels.update(values.get("labels", {}))
        policy = model.model_version_policy
        if "all" in values:
            policy.all.SetInParent()
        if "latest" in values:
            policy.latest.num_versions = values["latest"]
        if "versions" in values:
            policy.specific.versions.extend(values["versions"])
    return request.SerializeToString()


@given(
    models=st.lists(MODELS, max_size=4),
    begin=st.none() | st.integers(0, 100),
    more=st.binary(max_size=4),
)
@FEW
def test_reloads_of_any_kind(no_collection, reload_base, models, begin, more):
    served = Models(
        lambda name: ModelVersions(name, None, Version),
        roots=[reload_base],
        limits=Limits(max_models=3),
    )
    body = reload_message(reload_base, [{"name": "m", "base_path": "", "base": "m"}])
    request_class = message_class("ReloadConfigRequest")
    first = request_class.FromString(body)
    assert served.reload(served.read_configs(first.config), lambda: False)
    message = reload_message(reload_base, models)
    if begin is not None:
        message = message[:begin] + more + message[begin + len(more) :]
    with contextlib.suppress(DecodeError):
        config = request_class.FromString(message).config
        error = raised(
            RequestError,
            lambda: served.reload(served.read_configs(config), lambda: False),
        )
        if error is not None:
            assert error.code.name in REFUSALS, error.message
            assert not UNEXPECTED.match(error.message), error.message
            # Nothing of it is applied.
            assert served.names == ["m"]
            assert served.states("m")[3].name == "AVAILABLE"
    served.refresh()
    # Whatever it was, the next one is applied.
    assert served.reload(served.read_configs(first.config), lambda: False)
    assert served.states("m")[3].name == "AVAILABLE"


WORDS = st.sampled_from(
    [
        "max_batch_size", "batch_timeout_micros", "allowed_batch_sizes", "value",
        "num_batch_threads", "pad_variable_length_inputs", "thread_pool_name",
        "model_config_list", "config", "name", "base_path", "version_labels", "key",
        "model_version_policy", "specific", "versions", "server_key", "server_cert",
        "custom_ca", "client_verify", "unknown", '"translator"', '"-----BEGIN "',
        "'", '"', "true", "1", "-1", "99999999999999999999", "1e400", "nan", "[1, 2]",
        "[a.b/c]", "{", "}", "<", ">", ":", ";", ",", "#", "\0", "\\", "\n", "\x7f",
    ]
)  # fmt: skip
FILES = st.lists(WORDS, max_size=12).map(" ".join).map(str.encode) | st.builds(
    lambda begin, depth, end: begin + b"a {" * depth + end,
    st.sampled_from([b"", b"model_config_list { ", b"max_batch_size { "]),
    st.sampled_from([1, 100, 5000]),
    st.sampled_from([b"", b"}" * 5000, b"\xff"]),
)


# Deeper than the parser can skip what it does not know.
@example(content=b"a {" * 5000)
@given(content=FILES | st.binary(max_size=40))
@FEW
def test_option_files_of_any_content(reload_base, content):
    path = reload_base / "options.txt"
    path.write_bytes(content)
    options = DeployOptions(reload_base / "m", versions=(1,), labels={"stable": 1})
    for read in (
        BatchingParameters.read,
        read_credentials,
        lambda path: next_step(options, path),
    ):
        error = raised((ValueError, FileNotFoundError), read, path)
        assert error is None or "Received: " in str(error), error
