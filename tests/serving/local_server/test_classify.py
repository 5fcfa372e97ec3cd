"""Classify, Regress and MultiInference, over gRPC and REST, and warm-up by records."""

import grpc
import httpx
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    input_pb2,
    model_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.servable import load_servable
from keras_attn.serving.local_server.server import LocalServer
from keras_attn.serving.local_server.warmup import replay

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


class Scorer(tf.Module):
    """Reads `x` of examples: class scores x and -x, regression 2x."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        x = self.read(inputs)
        labels = tf.tile([["plus", "minus"]], [tf.size(x), 1])
        return {"classes": labels, "scores": tf.stack([x, -x], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs):
        return {"outputs": 2.0 * self.read(inputs)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def count(self, inputs):
        return {"outputs": tf.size(inputs)}

    def read(self, inputs):
        spec = {"x": tf.io.FixedLenFeature([], tf.float32)}
        return tf.io.parse_example(inputs, spec)["x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    module = Scorer()
    folder = tmp_path_factory.mktemp("models") / "1"
    signatures = {
        "serving_default": module.classify,
        "regress": module.regress,
        "count": module.count,
    }
    tf.saved_model.save(module, str(folder), signatures)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    with LocalServer(folder.parent, name="m", threads=1, rest_port=0) as server:
        server.start()
        yield server


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(server.address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def http(server):
    url = f"http://{server.rest_address}/v1/models/m:"
    with httpx.Client(timeout=20) as client:
        yield lambda method, body: client.post(url + method, json=body)


def examples(*values, context=None):
    listed = input_pb2.Input()
    target = listed.example_list
    if context is not None:
        target = listed.example_list_with_context
        target.context.features.feature["x"].float_list.value.append(context)
    for value in values:
        example = target.examples.add()
        if value is not None:
            example.features.feature["x"].float_list.value.append(value)
    return listed


def spec(signature=""):
    return model_pb2.ModelSpec(name="m", signature_name=signature)


def pairs(result):
    return [
        [(each.label, each.score) for each in one.classes]
        for one in result.classifications
    ]


WANT = [[("plus", 1.5), ("minus", -1.5)], [("plus", -2.0), ("minus", 2.0)]]


def test_classify(stub):
    request = classification_pb2.ClassificationRequest(
        model_spec=spec(), input=examples(1.5, -2)
    )
    response = stub.Classify(request, timeout=20)
    assert pairs(response.result) == WANT
    assert response.model_spec.signature_name == "serving_default"
    assert response.model_spec.version.value == 1


def test_regress_with_a_context(stub):
    request = regression_pb2.RegressionRequest(
        model_spec=spec("regress"), input=examples(None, None, context=3)
    )
    response = stub.Regress(request, timeout=20)
    assert [one.value for one in response.result.regressions] == [6.0, 6.0]


def inference(*tasks):
    request = inference_pb2.MultiInferenceRequest(input=examples(1.5, -2))
    for signature, method in tasks:
        request.tasks.add(model_spec=spec(signature), method_name=method)
    return request


def test_several_signatures_at_once_need_one_input(stub):
    response = stub.MultiInference(inference(("", CLASSIFY)), timeout=20)
    (result,) = response.results
    assert pairs(result.classification_result) == WANT
    assert result.model_spec.signature_name == "serving_default"
    with pytest.raises(grpc.RpcError) as error:
        stub.MultiInference(inference(("", CLASSIFY), ("regress", REGRESS)), timeout=20)
    assert error.value.details() == "Input tensor must be the same for all Signatures."


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "Inference request must have at least 1 task"),
        ([("zz", REGRESS)], "Requested signature not found in model graph: zz"),
        ([("", "x")], "Unsupported signature method_name: x"),
        (
            [("regress", REGRESS)] * 2,
            "Duplicate evaluation of signature: regress",
        ),
    ],
)
def test_refused_inferences(stub, tasks, message):
    with pytest.raises(grpc.RpcError) as error:
        stub.MultiInference(inference(*tasks), timeout=20)
    assert error.value.details() == message


def test_rest(http):
    rows = [{"x": 1.5}, {"x": [-2.0]}]
    assert http("classify", {"examples": rows}).json() == {
        "results": [[list(pair) for pair in row] for row in WANT]
    }
    body = {"signature_name": "regress", "examples": [{}], "context": {"x": 0.25}}
    assert http("regress", body).text == '{\n    "results": [0.5]\n}'


REFUSED = {
    "no examples": ({"examples": []}, "'examples' value is an empty array"),
    "no object": (
        {"examples": [1]},
        "Example must be JSON object but got JSON Number",
    ),
    "mixed": (
        {"examples": [{"x": [1, "a"]}]},
        "Unexpected element type in feature: x expecting type: int64",
    ),
    "null": (
        {"examples": [{"x": None}]},
        "Feature: x has element with unexpected JSON type: Null",
    ),
    "too large": (
        {"examples": [{"x": 2**63}]},
        "Feature: x has uint64 element. Only int64 is supported.",
    ),
    "unknown signature": (
        {"signature_name": "zz", "examples": [{"x": 1.5}]},
        "No signature was found with the name: zz",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_bodies(http, case):
    body, message = REFUSED[case]
    response = http("classify", body)
    assert response.status_code == 400
    assert response.json()["error"].endswith(message)


def test_a_scalar_is_no_regression(http):
    body = {"signature_name": "count", "examples": [{"x": 1.5}]}
    assert http("regress", body).json()["error"] == (
        "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but "
        "got []"
    )


def test_signatures_of_another_kind(toy_server):
    with grpc.insecure_channel(toy_server.address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        model = model_pb2.ModelSpec(name="translator")
        for call, request, message in (
            (
                stub.Classify,
                classification_pb2.ClassificationRequest(model_spec=model),
                "Expected one or two output Tensors, found 14",
            ),
            (
                stub.Regress,
                regression_pb2.RegressionRequest(model_spec=model),
                "Expected one output Tensor.",
            ),
        ):
            with pytest.raises(grpc.RpcError) as error:
                call(request, timeout=20)
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert error.value.details() == message


@pytest.fixture(scope="module")
def servable(folder):
    servable = load_servable(folder, threads=1)
    yield servable
    servable.close()


class TestWarmup:
    def write(self, folder, *logs):
        path = folder / "assets.extra" / "tf_serving_warmup_requests"
        path.parent.mkdir()
        with tf.io.TFRecordWriter(str(path)) as writer:
            for log in logs:
                writer.write(log.SerializeToString())
        return path

    def regress_log(self, signature):
        log = prediction_log_pb2.PredictionLog()
        log.regress_log.request.model_spec.signature_name = signature
        log.regress_log.request.input.CopyFrom(examples(1.0))
        return log

    def test_replays_every_kind(self, servable, tmp_path):
        classified = prediction_log_pb2.PredictionLog()
        classified.classify_log.request.input.CopyFrom(examples(1.0))
        several = prediction_log_pb2.PredictionLog()
        several.multi_inference_log.request.CopyFrom(inference(("", CLASSIFY)))
        predicted = prediction_log_pb2.PredictionLog()
        request = predicted.predict_log.request
        request.model_spec.signature_name = "count"
        request.inputs["inputs"].CopyFrom(tf.make_tensor_proto(["a"]))
        logs = [classified, self.regress_log("regress"), several, predicted]
        self.write(tmp_path, *logs)
        assert replay(servable, tmp_path) == 4

    def test_without_a_file(self, servable, tmp_path):
        assert replay(servable, tmp_path) == 0

    def test_one_that_fails(self, servable, tmp_path):
        self.write(tmp_path, self.regress_log("zz"))
        with pytest.raises(RequestError, match="No signature was found"):
            replay(servable, tmp_path)

    def test_too_many(self, servable, tmp_path):
        self.write(tmp_path, *[self.regress_log("regress")] * 1001)
        with pytest.raises(tf.errors.InvalidArgumentError, match="maximum"):
            replay(servable, tmp_path)

    def test_garbage(self, servable, tmp_path):
        self.write(tmp_path).write_bytes(b"no record at all, but some bytes")
        with pytest.raises(tf.errors.DataLossError):
            replay(servable, tmp_path)

    def test_a_log_of_another_kind(self, servable, tmp_path):
        log = prediction_log_pb2.PredictionLog()
        log.session_run_log.SetInParent()
        self.write(tmp_path, log)
        with pytest.raises(tf.errors.UnimplementedError):
            replay(servable, tmp_path)
