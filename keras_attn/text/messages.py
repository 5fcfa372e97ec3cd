"""Protobuf message classes for the few fields of SentencePiece's that are read here."""

from collections.abc import Mapping
from typing import Any

__all__ = ["message_class"]


def message_class(
    name: str, messages: Mapping[str, Mapping[str, tuple[int, Any]]]
) -> Any:
    """Builds a message class.

    Args:
        name: The message to return.
        messages: Each message's fields by name: the number and, of an integer, its
            default; of a message, its name; of repeated ones, a list of the name.

    Example:

    >>> fields = {"Token": {"id": (2, 0)}, "Text": {"tokens": (2, ["Token"])}}
    >>> text_class = message_class("Text", fields)
    >>> text = text_class.FromString(text_class(tokens=[{"id": 7}]).SerializeToString())
    >>> [token.id for token in text.tokens]
    [7]
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="sentencepiece.proto", package="sp")
    for message_name, fields in messages.items():
        message = file.message_type.add(name=message_name)
        for field_name, (number, value) in fields.items():
            field = message.field.add(
                name=field_name, number=number, label=kinds.LABEL_OPTIONAL
            )
            if isinstance(value, int):  # enums and booleans, too
                field.type, field.default_value = kinds.TYPE_INT32, str(value)
                continue
            if isinstance(value, list):
                field.label, [value] = kinds.LABEL_REPEATED, value
            field.type, field.type_name = kinds.TYPE_MESSAGE, f".sp.{value}"
    # A pool of its own: the SentencePiece package registers the same message names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"sp.{name}"))
