"""The body of a classify or regress request: JSON objects to `tf.train.Example`s."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow.core.example import example_pb2, feature_pb2
from tensorflow_serving.apis import input_pb2

from keras_attn.serving.local_server.rest.json_scalars import (
    decode_bytes,
    encode,
    is_bytes,
    narrow_number,
)
from keras_attn.serving.local_server.rest.json_values import describe, refuse, type_name

__all__ = ["read_examples"]

_EXAMPLES, _CONTEXT = "examples", "context"
_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def read_examples(body: Mapping[str, Any]) -> input_pb2.Input:
    """Reads the examples of a request, and the context that they share.

    A feature is a string, a number, true or false, or a list of one of these; numbers
    with a point are floats, others integers.

    Args:
        body: The request, parsed.

    Raises:
        RequestError: If it holds no examples.

    Example:

    >>> message = read_examples({"examples": [{"x": [1, 2]}]})
    >>> message.example_list.examples[0].features.feature["x"].int64_list.value
    [1, 2]
    """
    message = input_pb2.Input()
    listed = message.example_list
    if _CONTEXT in body:
        listed = message.example_list_with_context
        listed.context.CopyFrom(_example(body[_CONTEXT]))
    examples = body.get(_EXAMPLES)
    if _EXAMPLES not in body:
        problem = (
            f"When method is classify, key '{_EXAMPLES}' is expected and was not found"
        )
    elif not isinstance(examples, list):
        problem = f"Expecting '{_EXAMPLES}' value to be an list/array"
    elif not examples:
        problem = f"'{_EXAMPLES}' value is an empty array"
    else:
        listed.examples.extend(_example(value) for value in examples)
        return message
    raise refuse(f"JSON Value: {describe(body)} {problem}")


def _example(value):
    if not isinstance(value, dict):
        raise refuse(f"Example must be JSON object but got JSON {type_name(value)}")
    example = example_pb2.Example()
    for name, content in value.items():
        feature = feature_pb2.Feature()
        for each in content if isinstance(content, list) else [content]:
            _add(feature, name, each)
        example.features.feature[encode(name).decode("utf-8", "replace")].CopyFrom(
            feature
        )
    return example


def _add(feature, name, value):
    kind, convert = _kind(name, value)
    if feature.WhichOneof("kind") not in (None, kind):
        raise refuse(
            f"Unexpected element type in feature: {name} expecting type: "
            f"{_KINDS[feature.WhichOneof('kind')]}"
        )
    getattr(feature, kind).value.append(convert())


def _kind(name, value):
    """Returns the list that a value belongs to, and how to make its element."""
    if isinstance(value, bool):
        return "int64_list", lambda: int(value)
    if isinstance(value, str):
        return "bytes_list", lambda: encode(value)
    if is_bytes(value):
        return "bytes_list", lambda: decode_bytes(value)
    if isinstance(value, float) or (isinstance(value, int) and not _is_64(value)):
        return "float_list", lambda: narrow_number(value, np.float32)
    if isinstance(value, int):
        return "int64_list", lambda: _int64(name, value)
    raise refuse(
        f"Feature: {name} has element with unexpected JSON type: {type_name(value)}"
    )


def _is_64(value):
    return -(2**63) <= value < 2**64


def _int64(name, value):
    if value >= 2**63:
        raise refuse(f"Feature: {name} has uint64 element. Only int64 is supported.")
    return value
