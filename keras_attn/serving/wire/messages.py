"""The protobuf messages and services of TensorFlow Serving that are used here.

The package with these messages, `tensorflow-serving-api`, depends on TensorFlow, which
a client must not need, and imports under few versions of protobuf. So the messages that
are needed are listed here by field number and type, and built into classes at import.

They have TensorFlow's own names, which reflection and JSON show, but are in a private
descriptor pool, so that TensorFlow's messages in protobuf's default pool cannot clash
with them. Fields that are not listed are carried along unread.
"""

from typing import Any

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    wrappers_pb2,
)

__all__ = ["POOL", "SIGNATURE_DEF_MAP_URL", "message_class", "service_descriptor"]

SIGNATURE_DEF_MAP_URL = "type.googleapis.com/tensorflow.serving.SignatureDefMap"

# For each package its messages `Name: number field type; ...`, in the order of the
# `.proto` files, which is that of JSON. Before the type may stand `repeated` or `map`
# (of string to that type), behind it `in ONEOF`. A name with a dot is of a message or
# enum inside of another. Enums: `enum Name: number VALUE; ...`. Services: `service
# Name: Method Request Response; ...`.
_PACKAGES = {
    "tensorflow": """
enum DataType: 0 DT_INVALID; 1 DT_FLOAT; 2 DT_DOUBLE; 3 DT_INT32; 4 DT_UINT8;
    5 DT_INT16; 6 DT_INT8; 7 DT_STRING; 8 DT_COMPLEX64; 9 DT_INT64; 10 DT_BOOL;
    11 DT_QINT8; 12 DT_QUINT8; 13 DT_QINT32; 14 DT_BFLOAT16; 15 DT_QINT16;
    16 DT_QUINT16; 17 DT_UINT16; 18 DT_COMPLEX128; 19 DT_HALF; 20 DT_RESOURCE;
    21 DT_VARIANT; 22 DT_UINT32; 23 DT_UINT64
TensorShapeProto: 2 dim repeated TensorShapeProto.Dim; 3 unknown_rank bool
TensorShapeProto.Dim: 1 size int64; 2 name string
TensorProto: 1 dtype DataType; 2 tensor_shape TensorShapeProto; 3 version_number int32;
    4 tensor_content bytes; 13 half_val repeated int32; 5 float_val repeated float;
    6 double_val repeated double; 7 int_val repeated int32; 8 string_val repeated bytes;
    10 int64_val repeated int64; 11 bool_val repeated bool;
    16 uint32_val repeated uint32; 17 uint64_val repeated uint64
TensorInfo: 1 name string in encoding; 4 coo_sparse TensorInfo.CooSparse in encoding;
    2 dtype DataType; 3 tensor_shape TensorShapeProto
TensorInfo.CooSparse: 1 values_tensor_name string; 2 indices_tensor_name string;
    3 dense_shape_tensor_name string
SignatureDef: 1 inputs map TensorInfo; 2 outputs map TensorInfo; 3 method_name string;
    4 defaults map TensorProto
""",
    "tensorflow.error": """
enum Code: 0 OK; 1 CANCELLED; 2 UNKNOWN; 3 INVALID_ARGUMENT; 4 DEADLINE_EXCEEDED;
    5 NOT_FOUND; 6 ALREADY_EXISTS; 7 PERMISSION_DENIED; 8 RESOURCE_EXHAUSTED;
    9 FAILED_PRECONDITION; 10 ABORTED; 11 OUT_OF_RANGE; 12 UNIMPLEMENTED; 13 INTERNAL;
    14 UNAVAILABLE; 15 DATA_LOSS; 16 UNAUTHENTICATED
""",
    "tensorflow.serving": """
ModelSpec: 1 name string; 2 version Int64Value in version_choice;
    4 version_label string in version_choice; 3 signature_name string
StatusProto: 1 error_code Code; 2 error_message string
PredictRequest: 1 model_spec ModelSpec; 2 inputs map TensorProto;
    3 output_filter repeated string
PredictResponse: 2 model_spec ModelSpec; 1 outputs map TensorProto
ClassificationRequest: 1 model_spec ModelSpec
ClassificationResponse: 2 model_spec ModelSpec
RegressionRequest: 1 model_spec ModelSpec
RegressionResponse: 2 model_spec ModelSpec
InferenceTask: 1 model_spec ModelSpec; 2 method_name string
MultiInferenceRequest: 1 tasks repeated InferenceTask
MultiInferenceResponse:
SignatureDefMap: 1 signature_def map SignatureDef
GetModelMetadataRequest: 1 model_spec ModelSpec; 2 metadata_field repeated string
GetModelMetadataResponse: 1 model_spec ModelSpec; 2 metadata map Any
ModelVersionStatus: 1 version int64; 2 state ModelVersionStatus.State;
    3 status StatusProto
enum ModelVersionStatus.State: 0 UNKNOWN; 10 START; 20 LOADING; 30 AVAILABLE;
    40 UNLOADING; 50 END
GetModelStatusRequest: 1 model_spec ModelSpec
GetModelStatusResponse: 1 model_version_status repeated ModelVersionStatus
FileSystemStoragePathSourceConfig:
FileSystemStoragePathSourceConfig.ServableVersionPolicy:
    100 latest FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest
    in policy_choice;
    101 all FileSystemStoragePathSourceConfig.ServableVersionPolicy.All
    in policy_choice;
    102 specific FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific
    in policy_choice
FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest: 1 num_versions uint32
FileSystemStoragePathSourceConfig.ServableVersionPolicy.All:
FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific:
    1 versions repeated int64
enum ModelType: 0 MODEL_TYPE_UNSPECIFIED; 1 TENSORFLOW; 2 OTHER
ModelConfig: 1 name string; 2 base_path string; 3 model_type ModelType;
    4 model_platform string;
    7 model_version_policy FileSystemStoragePathSourceConfig.ServableVersionPolicy;
    8 version_labels map int64
ModelConfigList: 1 config repeated ModelConfig
ModelServerConfig: 1 model_config_list ModelConfigList in config;
    2 custom_model_config Any in config
ReloadConfigRequest: 1 config ModelServerConfig
ReloadConfigResponse: 1 status StatusProto
ClassifyLog: 1 request ClassificationRequest
RegressLog: 1 request RegressionRequest
PredictLog: 1 request PredictRequest
MultiInferenceLog: 1 request MultiInferenceRequest
SessionRunLog:
PredictStreamedLog:
PredictionLog: 2 classify_log ClassifyLog in log_type;
    3 regress_log RegressLog in log_type; 6 predict_log PredictLog in log_type;
    7 predict_streamed_log PredictStreamedLog in log_type;
    4 multi_inference_log MultiInferenceLog in log_type;
    5 session_run_log SessionRunLog in log_type
BatchingParameters: 1 max_batch_size Int64Value; 2 batch_timeout_micros Int64Value;
    3 max_enqueued_batches Int64Value; 4 num_batch_threads Int64Value;
    5 thread_pool_name StringValue; 6 allowed_batch_sizes repeated int64
SSLConfig: 1 server_key string; 2 server_cert string; 3 custom_ca string;
    4 client_verify bool
service PredictionService: Classify ClassificationRequest ClassificationResponse;
    Regress RegressionRequest RegressionResponse;
    Predict PredictRequest PredictResponse;
    MultiInference MultiInferenceRequest MultiInferenceResponse;
    GetModelMetadata GetModelMetadataRequest GetModelMetadataResponse
service ModelService: GetModelStatus GetModelStatusRequest GetModelStatusResponse;
    HandleReloadConfigRequest ReloadConfigRequest ReloadConfigResponse
""",
}

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
_WELL_KNOWN = (any_pb2, wrappers_pb2)
# Fields whose name in JSON is the one above, not `errorCode` and the like.
_JSON_NAMES = {"error_code", "error_message", "model_version_status"}


def message_class(name: str) -> type[Any]:
    r"""Returns the class of one message.

    Args:
        name: Its name in TensorFlow Serving's `.proto` files.

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


def service_descriptor(name: str) -> Any:
    """Returns the descriptor of a service: `full_name`, and `methods` with their types.

    Args:
        name: `"PredictionService"` or `"ModelService"`.

    Example:

    >>> service_descriptor("ModelService").full_name
    'tensorflow.serving.ModelService'
    """
    return POOL.FindServiceByName(f"tensorflow.serving.{name}")


def _build_pool():
    """Returns the pool, and the full names of its messages by name."""
    pool = descriptor_pool.DescriptorPool()
    # Full names and kinds of fields, by the names that stand in `_PACKAGES`.
    types: dict[str, tuple[str, int]] = {}
    dependencies = []
    for module in _WELL_KNOWN:
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        dependencies.append(module.DESCRIPTOR.name)
        for name, message in module.DESCRIPTOR.message_types_by_name.items():
            types[name] = (message.full_name, _Field.TYPE_MESSAGE)
    names = {}
    for package, text in _PACKAGES.items():
        lines = text.strip().replace("\n    ", " ").splitlines()
        definitions = [line.partition(":")[::2] for line in lines]
        for head, _ in definitions:
            kind, name = _split_head(head)
            full_name = f"{package}.{name}"
            if kind == "enum":
                types[name] = (full_name, _Field.TYPE_ENUM)
            elif kind == "message":
                types[name] = (full_name, _Field.TYPE_MESSAGE)
                names[name] = full_name
        file = _build_file(package, dependencies, definitions, types)
        pool.AddSerializedFile(file.SerializeToString())
        dependencies.append(file.name)
    return pool, names


def _split_head(head):
    """Returns `"enum"`, `"service"` or `"message"`, and the name."""
    return tuple(head.split()) if " " in head else ("message", head)


def _build_file(package, dependencies, definitions, types):
    file = descriptor_pb2.FileDescriptorProto(
        name=f"keras_attn/{package}.proto",  # TensorFlow's files have other names
        package=package,
        syntax="proto3",
        dependency=dependencies,
    )
    messages = {}
    for head, body in definitions:
        kind, name = _split_head(head)
        parent, _, last = name.rpartition(".")
        items = [item.split() for item in body.split(";") if item.strip()]
        if kind == "service":
            service = file.service.add(name=name)
            for method, *io in items:
                request, response = (f".{types[message][0]}" for message in io)
                service.method.add(
                    name=method, input_type=request, output_type=response
                )
        elif kind == "enum":
            enum = (messages[parent] if parent else file).enum_type.add(name=last)
            for number, value in items:
                enum.value.add(name=value, number=int(number))
        else:
            messages[name] = (
                messages[parent].nested_type if parent else file.message_type
            ).add(name=last)
            for item in items:
                _add_field(messages[name], types[name][0], types, *item)
    return file


def _add_field(message, full_name, types, number, name, *type_words):
    """Adds a field to a message descriptor.

    Args:
        message: The descriptor.
        full_name: The message's name with its package.
        types: Full names and kinds by name.
        number: Number of the field, as text.
        name: Name of the field.
        *type_words: Its type, with `repeated`, `map` and `in ONEOF` where they apply.
    """
    field = message.field.add(
        name=name, number=int(number), label=_Field.LABEL_OPTIONAL
    )
    if name in _JSON_NAMES:
        field.json_name = name
    words = list(type_words)
    if "in" in words:
        oneof = words.pop()
        words.remove("in")
        if oneof not in [declared.name for declared in message.oneof_decl]:
            message.oneof_decl.add(name=oneof)
        field.oneof_index = len(message.oneof_decl) - 1
    type_name = words[-1]
    if words[0] in ("map", "repeated"):
        field.label = _Field.LABEL_REPEATED
    if words[0] == "map":
        # A map is encoded as a repeated message of key and value.
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        entry_name = f"{full_name}.{entry.name}"
        _add_field(entry, entry_name, types, "1", "key", "string")
        _add_field(entry, entry_name, types, "2", "value", type_name)
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{entry_name}"
    elif type_name in _SCALARS:
        field.type = _SCALARS[type_name]
    else:
        field.type_name, field.type = f".{types[type_name][0]}", types[type_name][1]


POOL, _NAMES = _build_pool()
_CLASSES = {
    name: message_factory.GetMessageClass(POOL.FindMessageTypeByName(full_name))
    for name, full_name in _NAMES.items()
}
