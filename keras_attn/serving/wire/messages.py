"""The protobuf messages of TensorFlow Serving that clients and option files need.

The package with these messages, `tensorflow-serving-api`, depends on TensorFlow, which
a client must not need. So the few messages that are needed are listed here by field
number and type, and built into classes at import.

They are in a private descriptor pool under names of their own: only numbers and types
are sent, and TensorFlow's messages in protobuf's default pool cannot clash with them.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["SIGNATURE_DEF_MAP_URL", "message_class"]

SIGNATURE_DEF_MAP_URL = "type.googleapis.com/tensorflow.serving.SignatureDefMap"

_PACKAGE = "keras_attn.wire"

# `number name type`, with `repeated` or `map` (of string to that type) before the
# type. Enums are listed as int32, which has the same encoding.
_MESSAGES = """
Int64: 1 value int64
Any: 1 type_url string; 2 value bytes
Dim: 1 size int64; 2 name string
TensorShape: 2 dim repeated Dim; 3 unknown_rank bool
Tensor: 1 dtype int32; 2 tensor_shape TensorShape; 4 tensor_content bytes;
    5 float_val repeated float; 6 double_val repeated double;
    7 int_val repeated int32; 8 string_val repeated bytes;
    10 int64_val repeated int64; 11 bool_val repeated bool;
    13 half_val repeated int32; 16 uint32_val repeated uint32;
    17 uint64_val repeated uint64
TensorInfo: 1 name string; 2 dtype int32; 3 tensor_shape TensorShape
SignatureDef: 1 inputs map TensorInfo; 2 outputs map TensorInfo;
    3 method_name string
SignatureDefMap: 1 signature_def map SignatureDef
ModelSpec: 1 name string; 2 version Int64; 3 signature_name string;
    4 version_label string
PredictRequest: 1 model_spec ModelSpec; 2 inputs map Tensor;
    3 output_filter repeated string
PredictLog: 1 request PredictRequest
PredictionLog: 6 predict_log PredictLog
PredictResponse: 1 outputs map Tensor; 2 model_spec ModelSpec
Status: 1 error_code int32; 2 error_message string
ModelVersionStatus: 1 version int64; 2 state int32; 3 status Status
GetModelStatusRequest: 1 model_spec ModelSpec
GetModelStatusResponse: 1 model_version_status repeated ModelVersionStatus
GetModelMetadataRequest: 1 model_spec ModelSpec; 2 metadata_field repeated string
GetModelMetadataResponse: 1 model_spec ModelSpec; 2 metadata map Any
String: 1 value string
BatchingParameters: 1 max_batch_size Int64; 2 batch_timeout_micros Int64;
    3 max_enqueued_batches Int64; 4 num_batch_threads Int64;
    5 thread_pool_name String; 6 allowed_batch_sizes repeated int64
SSLConfig: 1 server_key string; 2 server_cert string; 3 custom_ca string;
    4 client_verify bool
"""

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}


def message_class(name: str) -> type[Any]:
    r"""Returns the class of one message.

    Args:
        name: Its name in TensorFlow Serving's `.proto` files, except for `Tensor`
            (there `TensorProto`) and `Status` (there `StatusProto`).

    Returns:
        A protobuf message class.

    Raises:
        ValueError: If there is no such message.

    Example:

    >>> spec = message_class("ModelSpec")(name="translator")
    >>> spec.version.value = 3
    >>> spec.SerializeToString()
    b'\n\ntranslator\x12\x02\x08\x03'
    """
    if name not in _CLASSES:
        raise ValueError(
            "`name` must be a message that is described here. "
            f"Received: name={name!r}. Known: {', '.join(sorted(_CLASSES))}."
        )
    return _CLASSES[name]


def _build_classes():
    file = descriptor_pb2.FileDescriptorProto(
        name="keras_attn/wire.proto", package=_PACKAGE, syntax="proto3"
    )
    for line in _MESSAGES.strip().replace("\n    ", " ").splitlines():
        name, fields = line.split(": ")
        message = file.message_type.add(name=name)
        for field in fields.split(";"):
            _add_field(message, *field.split())
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        message.name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{_PACKAGE}.{message.name}")
        )
        for message in file.message_type
    }


def _add_field(message, number, name, *type_words):
    field = message.field.add(
        name=name, number=int(number), label=_Field.LABEL_OPTIONAL
    )
    if type_words[0] == "map":
        # A map is encoded as a repeated message of key and value.
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        _add_field(entry, 1, "key", "string")
        _add_field(entry, 2, "value", type_words[1])
        type_words = ("repeated", f"{message.name}.{entry.name}")
    if type_words[0] == "repeated":
        field.label = _Field.LABEL_REPEATED
    if type_words[-1] in _SCALARS:
        field.type = _SCALARS[type_words[-1]]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{type_words[-1]}"


_CLASSES = _build_classes()
