"""Our messages are compatible with TensorFlow Serving's own, in both directions."""

import pytest
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2,
    status_pb2,
)

from keras_attn.serving.wire import messages
from keras_attn.serving.wire.messages import (
    SIGNATURE_DEF_MAP_URL,
    message_class,
    service_descriptor,
)

# TensorFlow Serving's Python package has no classes for these.
OPTION_FILES = {"BatchingParameters", "SSLConfig"}
NAMES = sorted(messages._CLASSES.keys() - OPTION_FILES)


def description(field):
    """Returns what bytes, JSON and `WhichOneof` of a field depend on."""
    named = field.message_type or field.enum_type
    oneof = field.containing_oneof
    is_map = bool(field.message_type and field.message_type.GetOptions().map_entry)
    return (
        field.number,
        field.json_name,
        field.type,
        field.is_repeated,
        is_map,
        named and named.full_name,
        oneof and oneof.name,
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_theirs_and_in_their_order(name):
    ours = message_class(name).DESCRIPTOR
    theirs = prediction_log_pb2.DESCRIPTOR.pool.FindMessageTypeByName(ours.full_name)
    listed = [field.name for field in ours.fields]
    assert listed == [f.name for f in theirs.fields if f.name in listed]
    for field in ours.fields:
        their_field = theirs.fields_by_name[field.name]
        assert description(field) == description(their_field), field.name
        if field.message_type and field.message_type.GetOptions().map_entry:
            entry = their_field.message_type
            for part in field.message_type.fields:
                their_part = entry.fields_by_name[part.name]
                assert description(part) == description(their_part)
        if field.enum_type:
            theirs_by_name = their_field.enum_type.values_by_name
            for value in field.enum_type.values:
                assert value.number == theirs_by_name[value.name].number


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("PredictionService", prediction_service_pb2),
        ("ModelService", model_service_pb2),
    ],
)
def test_services_have_their_methods(name, theirs):
    def methods(service):
        return [
            (m.full_name, m.input_type.full_name, m.output_type.full_name)
            for m in service.methods
        ]

    their_service = theirs.DESCRIPTOR.services_by_name[name]
    assert methods(service_descriptor(name)) == methods(their_service)


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
        "TensorProto",
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


@pytest.mark.parametrize(
    ("name", "theirs"),
    [pair for pair in their_messages() if "Metadata" not in pair[0]],
)
def test_json_is_theirs(name, theirs):
    def to_json(message):
        return json_format.MessageToJson(
            message,
            preserving_proto_field_name=True,
            # Of tensors, some fields are not listed.
            always_print_fields_with_no_presence="Signature" in name,
        )

    ours = message_class(name).FromString(theirs.SerializeToString())
    assert to_json(ours) == to_json(theirs)


def test_the_type_url_of_packed_signatures():
    packed = Any()
    packed.Pack(get_model_metadata_pb2.SignatureDefMap())
    assert packed.type_url == SIGNATURE_DEF_MAP_URL


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Received: name='Nope'.*PredictRequest"):
        message_class("Nope")
