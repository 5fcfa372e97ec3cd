"""The gRPC services through TensorFlow Serving's own stubs.

The table of refusals holds codes and texts observed in TensorFlow Serving itself.
"""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from keras_attn.serving.signature import TRANSLATE


@pytest.fixture(scope="module")
def channel(toy_server):
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(toy_server.address, options) as channel:
        yield channel


@pytest.fixture(scope="module")
def prediction(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def model(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def spec(name="translator", signature="translate", version=None, label=None):
    choice = {"version_label": label} if label else {}
    if version is not None:
        choice = {"version": {"value": version}}
    return model_pb2.ModelSpec(name=name, signature_name=signature, **choice)


def predict_request(model_spec=None, output_filter=(), **inputs):
    if not inputs:
        inputs = {"text": np.array(["ein Hund"])}
    return predict_pb2.PredictRequest(
        model_spec=model_spec or spec(),
        output_filter=output_filter,
        inputs={name: tf.make_tensor_proto(value) for name, value in inputs.items()},
    )


def refusal(call, request):
    with pytest.raises(grpc.RpcError) as error:
        call(request, timeout=20)
    return error.value.code().name, error.value.details()


class TestPredict:
    def test_answers_in_tensorflows_own_messages(self, prediction):
        request = predict_request(text=np.array(["ein Hund", "schön"]))
        response = prediction.Predict(request, timeout=20)
        outputs = {name: tf.make_ndarray(t) for name, t in response.outputs.items()}
        assert outputs["translation"].tolist() == [b"HUND EIN", "SCHÖN".encode()]
        assert outputs["attention"].shape == (2, 3, 3)
        assert set(outputs) == {field.name for field in TRANSLATE.outputs}
        for field in TRANSLATE.outputs:
            assert outputs[field.name].ndim == len(field.axes), field.name
            want = tf.as_dtype(field.dtype)
            assert response.outputs[field.name].dtype == want.as_datatype_enum

    def test_the_response_names_version_and_signature(self, prediction):
        request = predict_request(spec(signature=""))
        response = prediction.Predict(request, timeout=20)
        assert response.model_spec == spec(signature="serving_default", version=1)

    def test_writes_typed_values(self, prediction):
        response = prediction.Predict(predict_request(), timeout=20)
        assert not any(t.tensor_content for t in response.outputs.values())
        assert len(response.outputs["attention"].float_val) == 9
        assert response.outputs["source_length"].int_val == [3]
        assert response.outputs["translation"].string_val == [b"HUND EIN"]

    def test_a_version_by_number(self, prediction):
        response = prediction.Predict(predict_request(spec(version=1)), timeout=20)
        assert response.model_spec.version.value == 1

    def test_output_filter(self, prediction):
        request = predict_request(output_filter=["score", "translation"])
        response = prediction.Predict(request, timeout=20)
        assert set(response.outputs) == {"score", "translation"}

    def test_missing_values_repeat_the_last(self, prediction):
        request = predict_request()
        request.inputs["text"].tensor_shape.dim[0].size = 3
        response = prediction.Predict(request, timeout=20)
        assert response.outputs["translation"].string_val == [b"HUND EIN"] * 3

    def test_a_shape_without_elements_has_no_content(self, prediction):
        request = of_shape(0, tensor_content=b"no text")
        response = prediction.Predict(request, timeout=20)
        assert not response.outputs["translation"].string_val

    def test_an_unknown_rank_is_that_of_a_scalar(self, prediction):
        request = of_shape()
        request.inputs["text"].tensor_shape.unknown_rank = True
        _, message = refusal(prediction.Predict, request)
        assert message.startswith("Shape of tensor")
        assert "[] is not compatible with expected shape [?]" in message

    def test_an_empty_batch(self, prediction):
        request = predict_request(text=np.array([], dtype=object))
        response = prediction.Predict(request, timeout=20)
        for tensor in response.outputs.values():
            assert tf.make_ndarray(tensor).shape[0] == 0

    def test_invalid_utf8(self, prediction):
        odd = [b"\xff\xfe", b"\x00", b"\xed\xa0\x80 x", b"a" * 100_000]
        response = prediction.Predict(predict_request(text=odd), timeout=20)
        assert len(response.outputs["translation"].string_val) == 4

    def test_more_than_four_mebibytes_in_and_out(self, prediction):
        request = predict_request(
            text=[b"x" * 5_000_000], output_filter=["translation"]
        )
        response = prediction.Predict(request, timeout=20)
        assert response.outputs["translation"].string_val == [b"X" * 5_000_000]


TEXT = np.array(["a"])
ONE = np.float32([1.0])
OUTPUTS = ",".join(sorted(field.name for field in TRANSLATE.outputs))
INPUT_COUNT = (
    "input size does not match signature: {} len({{{}}}) != len({{text}}). "
    "Sent extra: {{{}}}. Missing but required: {{{}}}."
)


def without_inputs():
    return predict_pb2.PredictRequest(model_spec=spec())


def unreadable():
    request = predict_request()
    request.inputs["text"].dtype = 0
    return request


def of_shape(*shape, **fields):
    """A request for a tensor of strings with a shape and other fields."""
    request = predict_request()
    tensor = request.inputs["text"]
    tensor.tensor_shape.Clear()
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.MergeFrom(tensor_pb2.TensorProto(**fields))
    return request


def many_inputs():
    request = predict_pb2.PredictRequest(model_spec=spec())
    for number in range(257):
        request.inputs[f"text{number}"].dtype = 7
    return request


ROWS = (
    "An input must have at most 128 rows. Received: {} rows of input text. Send them "
    "in several requests, or start the server with a higher --max-rows."
)


REFUSED_PREDICTIONS = {
    "no spec": (
        predict_pb2.PredictRequest(),
        "INVALID_ARGUMENT",
        "Missing ModelSpec",
    ),
    "no name": (
        predict_request(spec(name="", version=99)),
        "INVALID_ARGUMENT",
        "ModelSpec has no name specified.",
    ),
    "unknown model": (
        predict_request(spec(name="nope")),
        "NOT_FOUND",
        "Servable not found for request: Latest(nope)",
    ),
    "unknown model and version": (
        predict_request(spec(name="nope", version=3)),
        "NOT_FOUND",
        "Servable not found for request: Specific(nope, 3)",
    ),
    "unknown version": (
        predict_request(spec(version=99)),
        "NOT_FOUND",
        "Servable not found for request: Specific(translator, 99)",
    ),
    "unknown label": (
        predict_request(spec(label="stable")),
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: stable",
    ),
    "unknown signature, before its inputs": (
        predict_request(spec(signature="zz"), a=TEXT, b=TEXT),
        "FAILED_PRECONDITION",
        'Serving signature key "zz" not found.',
    ),
    "no inputs": (
        without_inputs(),
        "INVALID_ARGUMENT",
        INPUT_COUNT.format("0!=1", "", "", "text"),
    ),
    "too many inputs": (
        predict_request(text=TEXT, mode=TEXT),
        "INVALID_ARGUMENT",
        INPUT_COUNT.format("2!=1", "mode,text", "mode", ""),
    ),
    "wrong name": (
        predict_request(txt=TEXT),
        "INVALID_ARGUMENT",
        "Signature input alias: text(feed name: translate_text:0) not found in "
        "request and no default value provided. Inputs expected to be in the request "
        "{txt}, or default input alias set: ",
    ),
    "wrong dtype": (
        predict_request(text=np.int32([1])),
        "INVALID_ARGUMENT",
        "Expects arg[0] to be string but int32 is provided",
    ),
    "wrong dtype of the second": (
        predict_request(spec(signature="failing"), a=ONE, b=ONE),
        "INVALID_ARGUMENT",
        "Expects arg[1] to be int32 but float is provided",
    ),
    "unreadable tensor": (
        unreadable(),
        "INVALID_ARGUMENT",
        "tensor parsing error: text",
    ),
    "a negative axis": (
        of_shape(-1),
        "INVALID_ARGUMENT",
        "tensor parsing error: text",
    ),
    "too many axes": (
        of_shape(*[1] * 255),
        "INVALID_ARGUMENT",
        "tensor parsing error: text",
    ),
    "more rows than allowed": (
        of_shape(129),
        "INVALID_ARGUMENT",
        ROWS.format(129),
    ),
    "rows that would fill the memory": (
        of_shape(2**40),
        "INVALID_ARGUMENT",
        ROWS.format(2**40),
    ),
    "few rows that would fill the memory": (
        of_shape(2, 2**40),
        "INVALID_ARGUMENT",
        "An input must have at most 16777216 bytes, where the last value stands for "
        "all missing ones. Received: shape [2,1099511627776] of input text, "
        f"{2**41 * (16 + 8)} bytes. Send them in several requests, or start the server "
        "with a higher --max-message-bytes.",
    ),
    "one long text for many rows": (
        of_shape(100, string_val=[b"x" * 200_000]),
        "INVALID_ARGUMENT",
        "An input must have at most 16777216 bytes, where the last value stands for "
        "all missing ones. Received: shape [100] of input text, "
        f"{8 + 99 * 200_000 + 100 * 16} bytes. Send them in several requests, or "
        "start the server with a higher --max-message-bytes.",
    ),
    "many inputs": (
        many_inputs(),
        "INVALID_ARGUMENT",
        "A request must have at most 256 inputs. Received: 257. Send the inputs of the "
        "signature only.",
    ),
    **{
        f"{name} for text": (
            of_shape(1, dtype=number),
            "INVALID_ARGUMENT",
            f"Expects arg[0] to be string but {name} is provided",
        )
        for name, number in {
            "complex64": 8,
            "qint8": 11,
            "bfloat16": 14,
            "half": 19,
            "resource": 20,
            "variant": 21,
        }.items()
    },
    "dtype of a variable": (
        of_shape(1, dtype=107),
        "INVALID_ARGUMENT",
        "tensor parsing error: text",
    ),
    "dtype that there is not": (
        of_shape(1, dtype=99),
        "INVALID_ARGUMENT",
        "tensor parsing error: text",
    ),
    "unknown output, before the dtype": (
        predict_request(output_filter=["zz"], text=np.int32([1])),
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: zz Outputs expected to be in the "
        f"set {{{OUTPUTS}}}.",
    ),
    "output twice": (
        predict_request(output_filter=["score", "score"]),
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: score",
    ),
    "compiled by XLA": (
        predict_request(spec(signature="compiled"), x=ONE),
        "INTERNAL",
        "XLA compilation disabled",
    ),
    "an operation, no tensor": (
        predict_pb2.PredictRequest(model_spec=spec(signature="__saved_model_init_op")),
        "INVALID_ARGUMENT",
        "FetchOutputs NoOp:0: output index too large, must be < 0",
    ),
}


@pytest.mark.parametrize("case", REFUSED_PREDICTIONS)
def test_refused_predictions(prediction, case):
    request, code, message = REFUSED_PREDICTIONS[case]
    assert refusal(prediction.Predict, request) == (code, message)


class TestErrorsOfTheGraph:
    @pytest.mark.parametrize("text", [np.array("a"), np.array([["a"]])])
    def test_a_wrong_rank_fails_the_check_in_the_graph(self, prediction, text):
        code, message = refusal(prediction.Predict, predict_request(text=text))
        assert code == "INVALID_ARGUMENT"
        assert "is not compatible with expected shape [?]" in message

    def test_a_long_message_is_truncated(self, prediction):
        request = predict_request(spec(signature="failing"), a=-ONE, b=np.int32([1]))
        code, message = refusal(prediction.Predict, request)
        assert code == "INVALID_ARGUMENT"
        assert message.startswith("assertion failed: [a is xxx")
        assert message.endswith("x...TRUNCATED")
        assert len(message) == 1024 + len("...TRUNCATED")


class TestMethodsForExamples:
    """TensorFlow Serving refuses them for the signatures of a translator."""

    def inference(self, *tasks):
        request = inference_pb2.MultiInferenceRequest()
        for method_name, signature in tasks:
            request.tasks.add(
                model_spec=spec(signature=signature)
            ).method_name = f"tensorflow/serving/{method_name}"
        return request

    @pytest.mark.parametrize(
        ("signature", "code", "message"),
        [
            ("", "INVALID_ARGUMENT", "Expected one or two output Tensors, found 18"),
            ("failing", "INVALID_ARGUMENT", "Expected one input Tensor."),
            ("zz", "INVALID_ARGUMENT", "No signature was found with the name: zz"),
            ("slow", "UNIMPLEMENTED", "Classify is not supported by this server"),
        ],
    )
    def test_classify(self, prediction, signature, code, message):
        request = classification_pb2.ClassificationRequest(
            model_spec=spec(signature=signature)
        )
        received = refusal(prediction.Classify, request)
        assert received[0] == code
        assert received[1].startswith(message)

    def test_regress(self, prediction):
        request = regression_pb2.RegressionRequest(model_spec=spec())
        assert refusal(prediction.Regress, request) == (
            "INVALID_ARGUMENT",
            "Expected one output Tensor.",
        )
        request = regression_pb2.RegressionRequest()
        assert refusal(prediction.Regress, request)[1] == "Missing ModelSpec"

    @pytest.mark.parametrize(
        ("tasks", "code", "message"),
        [
            ([], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
            ([("regress", "")], "INVALID_ARGUMENT", "Expected one output Tensor."),
            (
                [("x", "")],
                "UNIMPLEMENTED",
                "Unsupported signature method_name: tensorflow/serving/x",
            ),
        ],
    )
    def test_multi_inference(self, prediction, tasks, code, message):
        request = self.inference(*tasks)
        assert refusal(prediction.MultiInference, request) == (code, message)


class TestModelMetadata:
    def request(self, *fields, **choice):
        return get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=spec(signature="", **choice), metadata_field=fields
        )

    def test_lists_the_signatures(self, prediction):
        response = prediction.GetModelMetadata(
            self.request("signature_def"), timeout=20
        )
        assert response.model_spec == spec(signature="", version=1)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        assert response.metadata["signature_def"].Unpack(signatures)
        assert {"serving_default", "translate", "__saved_model_init_op"} <= set(
            signatures.signature_def
        )
        translate = signatures.signature_def["translate"]
        assert translate.method_name == "tensorflow/serving/predict"
        assert translate.inputs["text"].dtype == tf.string.as_datatype_enum
        assert [dim.size for dim in translate.inputs["text"].tensor_shape.dim] == [-1]

    def test_refusals(self, prediction):
        ask = prediction.GetModelMetadata
        assert refusal(ask, get_model_metadata_pb2.GetModelMetadataRequest()) == (
            "INVALID_ARGUMENT",
            "Missing ModelSpec",
        )
        assert refusal(ask, self.request()) == (
            "INVALID_ARGUMENT",
            "GetModelMetadataRequest must specify at least one metadata_field",
        )
        assert refusal(ask, self.request("signature_def", "x")) == (
            "INVALID_ARGUMENT",
            "Metadata field x is not supported",
        )
        assert refusal(ask, self.request("signature_def", version=7)) == (
            "NOT_FOUND",
            "Servable not found for request: Specific(translator, 7)",
        )


class TestModelStatus:
    def request(self, **choice):
        return get_model_status_pb2.GetModelStatusRequest(model_spec=spec(**choice))

    @pytest.mark.parametrize("choice", [{}, {"version": 1}, {"label": "ignored"}])
    def test_lists_versions(self, model, choice):
        response = model.GetModelStatus(self.request(**choice), timeout=20)
        (status,) = response.model_version_status
        assert status.version == 1
        assert status.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
        assert status.status.error_code == 0
        assert status.status.error_message == ""

    @pytest.mark.parametrize(
        ("choice", "message"),
        [
            ({"name": "zz"}, "Could not find any versions of model zz"),
            ({"version": 5}, "Could not find version 5 of model translator"),
        ],
    )
    def test_refusals(self, model, choice, message):
        received = refusal(model.GetModelStatus, self.request(**choice))
        assert received == ("NOT_FOUND", message)

    def test_missing_spec(self, model):
        received = refusal(
            model.GetModelStatus, get_model_status_pb2.GetModelStatusRequest()
        )
        assert received == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_bytes_that_are_not_a_message(channel, prediction):
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError) as error:
        call(b"\xff\xff\xff", timeout=20)
    assert error.value.code() == grpc.StatusCode.INTERNAL
    assert prediction.Predict(predict_request(), timeout=20).outputs
