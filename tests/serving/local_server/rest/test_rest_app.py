"""The REST API over a real socket: paths, codes, bodies, and its order of checks."""

import concurrent.futures
import json
import socket

import httpx
import numpy as np
import pytest

from keras_attn.serving.client import Client
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.server import LocalServer

MODEL = "/v1/models/translator"


@pytest.fixture(scope="module")
def http(toy_server):
    url = f"http://{toy_server.rest_address}"
    with httpx.Client(base_url=url, timeout=20) as client:
        yield client


def predict(http, body, path=f"{MODEL}:predict"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http.post(path, content=content)


def test_columns_are_the_outputs_of_grpc(http, toy_server):
    texts = ["ein Hund", "", "schön ☃"]
    response = predict(http, {"inputs": {"text": texts}})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    outputs = response.json()["outputs"]
    with Client(toy_server.address) as client:
        want = client.predict({"text": np.array(texts)})
    assert outputs.keys() == want.keys()
    for name, array in want.items():
        if array.dtype == object:
            array = np.array([value.decode() for value in array.flat], object)
            array = array.reshape(want[name].shape)
        assert outputs[name] == array.tolist(), name


def test_rows_are_the_transposed_columns(http):
    texts = ["ein Hund", "drei alte Hunde"]
    rows = predict(http, {"instances": texts}).json()["predictions"]
    columns = predict(http, {"inputs": texts}).json()["outputs"]
    assert len(rows) == 2
    for number, row in enumerate(rows):
        assert row == {name: column[number] for name, column in columns.items()}


@pytest.mark.parametrize(
    "path",
    [
        f"{MODEL}/versions/1:predict",
        "/V1/Models/translator/VERSIONS/1:predict",
        "/v1/models/tr%61nslator:predict",
    ],
)
def test_paths_that_lead_to_the_model(http, path):
    assert predict(http, {"inputs": ["a"]}, path).status_code == 200


def test_a_signature_by_name(http):
    body = {"signature_name": "failing", "inputs": {"a": [1], "b": [2]}}
    assert predict(http, body).json() == {"outputs": {"a": [1.0], "b": [2]}}


def test_status(http):
    response = http.get(MODEL)
    assert response.status_code == 200
    assert response.text == (
        "{\n"
        ' "model_version_status": [\n'
        "  {\n"
        '   "version": "1",\n'
        '   "state": "AVAILABLE",\n'
        '   "status": {\n'
        '    "error_code": "OK",\n'
        '    "error_message": ""\n'
        "   }\n"
        "  }\n"
        " ]\n"
        "}\n"
    )
    assert http.get(f"{MODEL}/versions/1").json() == response.json()
    assert http.get(f"{MODEL}/labels/ignored").json() == response.json()


def test_metadata(http):
    response = http.get(f"{MODEL}/metadata")
    assert response.text.startswith('{\n"model_spec":{\n "name": "translator",\n')
    assert (
        '\n}\n,\n"metadata": {"signature_def": {\n "signature_def": {' in response.text
    )
    spec = response.json()["model_spec"]
    assert spec == {"name": "translator", "signature_name": "", "version": "1"}
    signatures = response.json()["metadata"]["signature_def"]["signature_def"]
    assert "__saved_model_init_op" in signatures
    text = signatures["translate"]["inputs"]["text"]
    assert text["dtype"] == "DT_STRING"
    assert text["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("classify", "Expected one or two output Tensors, found 18"),
        ("regress", "Expected one output Tensor."),
    ],
)
def test_methods_for_examples_are_refused(http, method, message):
    body = {"examples": [{"text": "ein Hund"}]}
    response = predict(http, body, f"{MODEL}:{method}")
    assert (response.status_code, response.json()) == (400, {"error": message})
    unknown = predict(http, body, f"/v1/models/nope:{method}")
    assert unknown.status_code == 404


NOT_FOUND = "Servable not found for request: "
REFUSED = {
    ("GET", "/v1/models"): (400, "Missing model name in request."),
    ("GET", "/v1/models/metadata/metadata"): (
        404,
        f"{NOT_FOUND}Latest(metadata)",
    ),
    ("PUT", MODEL): (400, f"Malformed request: PUT {MODEL}"),
    ("DELETE", "/v1/x"): (400, "Malformed request: DELETE /v1/x"),
    ("POST", MODEL): (400, f"Malformed request: POST {MODEL}"),
    ("POST", f"{MODEL}:PREDICT"): (400, f"Malformed request: POST {MODEL}:PREDICT"),
    ("POST", f"{MODEL}/versions/x:predict"): (
        400,
        f"Malformed request: POST {MODEL}/versions/x:predict",
    ),
    ("POST", f"{MODEL}:predict?x=1"): (
        400,
        f"Malformed request: POST {MODEL}:predict?x=1",
    ),
    ("GET", f"{MODEL}?x=1"): (
        404,
        "Could not find any versions of model translator?x=1",
    ),
    ("GET", f"{MODEL}/metadata?x=1"): (
        400,
        f"Malformed request: GET {MODEL}/metadata?x=1",
    ),
    ("POST", f"{MODEL}/versions/9:predict"): (
        404,
        f"{NOT_FOUND}Specific(translator, 9)",
    ),
    ("POST", f"{MODEL}/labels/stable:predict"): (
        400,
        "Unrecognized servable version label: stable",
    ),
    ("POST", "/v1/models/nope:predict"): (404, f"{NOT_FOUND}Latest(nope)"),
    ("GET", "/v1/models/nope"): (404, "Could not find any versions of model nope"),
    ("GET", f"{MODEL}/versions/7"): (
        404,
        "Could not find version 7 of model translator",
    ),
    ("GET", f"{MODEL}/versions/7/metadata"): (
        404,
        f"{NOT_FOUND}Specific(translator, 7)",
    ),
}


@pytest.mark.parametrize(("method", "path"), REFUSED)
def test_refused_paths(http, method, path):
    status, message = REFUSED[method, path]
    response = http.request(method, path, content=b'{"inputs": ["a"]}')
    assert (response.status_code, response.json()) == (status, {"error": message})
    assert response.text == f'{{\n    "error": "{message}"\n}}'


@pytest.mark.parametrize("path", ["/v2/models/translator", "/v1", "/none?x=1"])
def test_other_paths_are_not_found(http, path):
    response = http.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html"
    assert response.text == (
        "<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n"
        "<H1>Not Found</H1>\n</BODY></HTML>\n"
    )


@pytest.mark.parametrize("version", [str(2**63), "9" * 5000])
def test_a_version_over_64_bits_has_no_message(http, version):
    response = predict(http, b"{}", f"{MODEL}/versions/{version}:predict")
    assert (response.status_code, response.content) == (400, b"")
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "JSON Parse error: The document is empty"),
        (
            {"signature_name": "zz", "inputs": 1},
            400,
            'Serving signature name: "zz" not found in signature def',
        ),
        (
            {"signature_name": "__saved_model_init_op", "inputs": 1},
            400,
            "Failed to get input map for signature: __saved_model_init_op",
        ),
        (
            {"signature_name": "compiled", "inputs": [1]},
            500,
            "XLA compilation disabled",
        ),
        (
            {"signature_name": 3},
            400,
            'JSON Value: {\n    "signature_name": 3\n} not formatted correctly. '
            "'signature_name' key must be a string value.",
        ),
    ],
)
def test_refused_bodies(http, body, status, message):
    response = predict(http, body)
    assert (response.status_code, response.json()["error"]) == (status, message)


def test_half_a_surrogate_pair_is_refused(http):
    response = predict(http, b'{"x": "\\ud800"')
    assert response.status_code == 400
    response = predict(http, b'{"signature_name": "\\ud800"}')
    assert response.status_code == 400
    response = predict(http, b'{"inputs": 1, "instances": "\\ud800"}')
    assert response.status_code == 400


def test_long_requests_do_not_delay_others(http):
    slow = {"signature_name": "slow", "inputs": [10_000]}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        running = [pool.submit(predict, http, slow) for _ in range(3)]
        assert predict(http, {"inputs": ["a"]}).status_code == 200
        assert [call.result().json() for call in running] == [{"outputs": [10_000]}] * 3


SMALL = Limits(
    max_message_bytes=1000,
    max_open_bytes=20_000,
    max_response_bytes=10_000,
    max_requests=4,
    body_seconds=0.5,
)


@pytest.fixture(scope="module")
def small_server(toy_folders):
    with LocalServer(
        toy_folders[1].parent, threads=1, rest_port=0, limits=SMALL
    ) as server:
        server.start()
        yield server


def test_a_body_at_the_limit_is_read_and_one_over_it_refused(small_server):
    body = json.dumps({"inputs": ["x"]}).encode()
    url = f"http://{small_server.rest_address}"
    with httpx.Client(base_url=url, timeout=20) as http:
        assert predict(http, body.ljust(1000)).status_code == 200
        response = predict(http, body.ljust(1001))
        assert response.status_code == 413
        assert response.json() == {"error": "Request body larger than max (1000)"}
        assert predict(http, body).status_code == 200


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Length: 1000000000000", b""),
        ("Transfer-Encoding: chunked", b"3E9\r\n" + b" " * 1001 + b"\r\n"),
    ],
)
def test_a_body_over_the_limit_is_refused_before_it_arrives(small_server, header, body):
    host, _, port = small_server.rest_address.rpartition(":")
    head = f"POST {MODEL}:predict HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def send_part(server, body):
    """Opens a connection and sends a part of a body of 1000 bytes."""
    host, _, port = server.rest_address.rpartition(":")
    head = f"POST {MODEL}:predict HTTP/1.1\r\nHost: localhost\r\n"
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode() + body)
    return connection


def read_all(connection):
    received = b""
    with connection:
        while part := connection.recv(65536):
            received += part
    return received


def test_unfinished_bodies_end_by_a_deadline_and_stop_no_request(small_server):
    connections = [send_part(small_server, b"{") for _ in range(50)]
    url = f"http://{small_server.rest_address}"
    with httpx.Client(base_url=url, timeout=20) as http:
        assert predict(http, {"inputs": ["a"]}).status_code == 200
        assert http.get(MODEL).status_code == 200
    for connection in connections:
        received = read_all(connection)  # to its end: the connection was closed
        assert received.startswith(b"HTTP/1.1 408 ")
        assert b"did not arrive within 0.5 seconds. Received: 1 bytes" in received


def test_unfinished_bodies_hold_no_more_than_their_budget(small_server):
    connections = [send_part(small_server, b" " * 999) for _ in range(21)]
    answers = [connection.recv(2000) for connection in connections]
    for connection in connections:
        connection.close()
    statuses = sorted(answer.split()[1] for answer in answers)
    assert statuses == [b"408"] * 20 + [b"429"]
    assert any(b"hold at most 20000 bytes together" in answer for answer in answers)
    url = f"http://{small_server.rest_address}"
    with httpx.Client(base_url=url, timeout=20) as http:  # all of it was given back
        assert predict(
            http, json.dumps({"inputs": ["a"]}).encode().ljust(1000)
        ).is_success


def test_responses_are_bounded(small_server):
    url = f"http://{small_server.rest_address}"
    with httpx.Client(base_url=url, timeout=20) as http:
        assert predict(http, {"inputs": ["a b"]}).status_code == 200
        response = predict(http, {"inputs": ["a " * 30]})
    assert response.status_code == 429
    assert "must have at most 10000 bytes" in response.json()["error"]


def test_a_page_of_another_site_reaches_no_model(http):
    body = b'{"inputs": ["a"]}'
    own = str(http.base_url).rstrip("/")
    for origin, status in [(own, 200), ("http://evil.example", 403), ("null", 403)]:
        headers = {
            "Origin": origin,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        response = http.post(f"{MODEL}:predict", content=body, headers=headers)
        assert response.status_code == status
        assert response.headers["x-content-type-options"] == "nosniff"
    response = http.get(MODEL, headers={"Host": "rebound.example"})
    assert response.status_code == 403


def test_metrics_are_labelled_as_by_tensorflow_serving(small_server):
    url = f"http://{small_server.rest_address}"
    with httpx.Client(base_url=url, timeout=20) as http:
        predict(http, {"inputs": ["a"]})
        http.get(MODEL)
        http.get("/v1/models/unheard_of")
        predict(http, b"{}", "/v1/models/odd:predict")
        page = http.get("/monitoring/prometheus/metrics").text
    latency = ':tensorflow:serving:request_latency_count{model_name="%s",API="%s",'
    assert latency % ("translator", "predict") + 'entrypoint="REST"}' in page
    assert latency % ("translator", "") + 'entrypoint="REST"}' in page
    count = ':tensorflow:serving:request_count{model_name="%s",status="%s"} 1\n'
    assert count % ("unheard_of", "NOT_FOUND") in page
    assert count % ("odd", "NOT_FOUND") in page
    assert latency % ("odd", "predict") not in page
