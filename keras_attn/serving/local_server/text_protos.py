"""Two of TensorFlow Serving's option files, whose messages its Python package lacks."""

from pathlib import Path
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)

__all__ = ["read_text_proto"]

_Field = descriptor_pb2.FieldDescriptorProto
# Of each message: its fields, all of which a file may leave out. `wrapped` is a message
# around one number, written `name { value: 3 }`.
_MESSAGES = {
    "Wrapped": {"value": "number"},
    "WrappedText": {"value": "text"},
    "BatchingParameters": {
        "max_batch_size": "wrapped",
        "batch_timeout_micros": "wrapped",
        "max_enqueued_batches": "wrapped",
        "num_batch_threads": "wrapped",
        "thread_pool_name": "wrapped text",
        "allowed_batch_sizes": "numbers",
    },
    "SSLConfig": {
        "server_key": "text",
        "server_cert": "text",
        "custom_ca": "text",
        "client_verify": "truth",
    },
}
_TYPES = {
    "number": _Field.TYPE_INT64,
    "numbers": _Field.TYPE_INT64,
    "text": _Field.TYPE_STRING,
    "truth": _Field.TYPE_BOOL,
    "wrapped": _Field.TYPE_MESSAGE,
    "wrapped text": _Field.TYPE_MESSAGE,
}
_PACKAGE = "keras_attn.options"


def read_text_proto(path: Path, name: str) -> Any:
    """Reads a file of options in protobuf's text format.

    Args:
        path: The file.
        name: `"BatchingParameters"` or `"SSLConfig"`.

    Returns:
        The message.

    Raises:
        ValueError: If the file says something else.
        OSError: If it cannot be read.
    """
    message = _CLASSES[name]()
    try:
        text_format.Parse(path.read_text("utf-8"), message)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ValueError(
            f"The file must be a {name} in protobuf's text format, with the fields "
            f"{', '.join(_MESSAGES[name])}. Received: {path}: {error}."
        ) from error
    return message


def _build():
    file = descriptor_pb2.FileDescriptorProto(
        name="keras_attn/options.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field_name, kind) in enumerate(fields.items(), 1):
            field = message.field.add(name=field_name, number=number)
            field.type = _TYPES[kind]
            field.label = (
                _Field.LABEL_REPEATED if kind == "numbers" else _Field.LABEL_OPTIONAL
            )
            if kind.startswith("wrapped"):
                wrapper = "WrappedText" if kind == "wrapped text" else "Wrapped"
                field.type_name = f".{_PACKAGE}.{wrapper}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
        )
        for name in _MESSAGES
    }


_CLASSES = _build()
