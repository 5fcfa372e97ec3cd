"""Our messages are compatible with TensorFlow Serving's own, in both directions."""

import pytest
from google.protobuf import wrappers_pb2
from google.protobuf.any_pb2 import Any
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
    prediction_log_pb2,
    status_pb2,
)

from keras_attn.serving.wire.messages import SIGNATURE_DEF_MAP_URL, message_class

THEIRS = {
    "Int64": wrappers_pb2.Int64Value,
    "Any": Any,
    "Dim": tensor_shape_pb2.TensorShapeProto.Dim,
    "TensorShape": tensor_shape_pb2.TensorShapeProto,
    "Tensor": tensor_pb2.TensorProto,
    "TensorInfo": meta_graph_pb2.TensorInfo,
    "SignatureDef": meta_graph_pb2.SignatureDef,
    "SignatureDefMap": get_model_metadata_pb2.SignatureDefMap,
    "ModelSpec": model_pb2.ModelSpec,
    "PredictRequest": predict_pb2.PredictRequest,
    "PredictLog": prediction_log_pb2.PredictLog,
    "PredictionLog": prediction_log_pb2.PredictionLog,
    "PredictResponse": predict_pb2.PredictResponse,
    "Status": status_pb2.StatusProto,
    "ModelVersionStatus": get_model_status_pb2.ModelVersionStatus,
    "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest,
    "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse,
    "GetModelMetadataRequest": get_model_metadata_pb2.GetModelMetadataRequest,
    "GetModelMetadataResponse": get_model_metadata_pb2.GetModelMetadataResponse,
}


def encoding(field):
    """Returns what the bytes of a field depend on; an enum is sent as an int32."""
    number_type = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
    is_map = bool(field.message_type and field.message_type.GetOptions().map_entry)
    return field.number, number_type, field.is_repeated, is_map


@pytest.mark.parametrize("name", THEIRS)
def test_every_field_has_the_same_number_and_type(name):
    ours, theirs = message_class(name).DESCRIPTOR, THEIRS[name].DESCRIPTOR
    assert ours.fields
    for field in ours.fields:
        assert encoding(field) == encoding(theirs.fields_by_name[field.name]), (
            field.name
        )
        if field.message_type and field.message_type.GetOptions().map_entry:
            for part in field.message_type.fields:
                entry = theirs.fields_by_name[field.name].message_type
                assert encoding(part) == encoding(entry.fields_by_name[part.name])


def their_tensor():
    tensor = tensor_pb2.TensorProto(dtype=7, string_val=[b"ein", b"\xff\x00"])
    tensor.tensor_shape.dim.add(size=2)
    return tensor


def their_messages():
    spec = model_pb2.ModelSpec(
        name="translator", signature_name="translate", version={"value": 2**40}
    )
    yield "ModelSpec", spec
    yield "ModelSpec", model_pb2.ModelSpec(name="m", version_label="stable")
    yield (
        "PredictRequest",
        predict_pb2.PredictRequest(
            model_spec=spec,
            inputs={"text": their_tensor()},
            output_filter=["translation", "score"],
        ),
    )
    yield (
        "PredictResponse",
        predict_pb2.PredictResponse(model_spec=spec, outputs={"a": their_tensor()}),
    )
    yield (
        "Tensor",
        tensor_pb2.TensorProto(
            dtype=1,
            tensor_content=b"abcd",
            float_val=[1.5],
            double_val=[-2.5],
            int_val=[-3, 4],
            int64_val=[-(2**60)],
            bool_val=[True, False],
            half_val=[15360],
            uint32_val=[2**32 - 1],
            uint64_val=[2**64 - 1],
        ),
    )
    yield (
        "GetModelStatusResponse",
        get_model_status_pb2.GetModelStatusResponse(
            model_version_status=[
                get_model_status_pb2.ModelVersionStatus(
                    version=3,
                    state=50,
                    status=status_pb2.StatusProto(error_code=9, error_message="bad"),
                )
            ]
        ),
    )
    signatures = get_model_metadata_pb2.SignatureDefMap()
    signature = signatures.signature_def["translate"]
    signature.method_name = "tensorflow/serving/predict"
    signature.inputs["text"].name = "text:0"
    signature.inputs["text"].dtype = 7
    signature.inputs["text"].tensor_shape.dim.add(size=-1)
    signature.outputs["y"].tensor_shape.unknown_rank = True
    yield "SignatureDefMap", signatures
    metadata = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=spec)
    metadata.metadata["signature_def"].Pack(signatures)
    yield "GetModelMetadataResponse", metadata


@pytest.mark.parametrize(("name", "theirs"), list(their_messages()))
def test_their_messages_survive_a_round_trip_through_ours(name, theirs):
    ours = message_class(name).FromString(theirs.SerializeToString())
    assert type(theirs).FromString(ours.SerializeToString()) == theirs
    # No field was carried along as an unknown field.
    names = {field.name for field, _ in ours.ListFields()}
    assert names == {field.name for field, _ in theirs.ListFields()}


def test_the_type_url_of_packed_signatures():
    packed = Any()
    packed.Pack(get_model_metadata_pb2.SignatureDefMap())
    assert packed.type_url == SIGNATURE_DEF_MAP_URL


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Received: name='Nope'.*PredictRequest"):
        message_class("Nope")
