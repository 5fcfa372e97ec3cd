"""Reads predict requests: JSON rows or columns to tensor messages.

Rules and texts are those of TensorFlow Serving. In rows, `{"instances": [...]}`, each
element is one row of every input; in columns, `{"inputs": ...}`, each member is a whole
input.
"""

import base64
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import grpc
from tensorflow.core.framework import tensor_pb2, types_pb2

from keras_attn.serving.local_server.errors import (
    RequestError,
    cpp_name,
    invalid_argument,
)
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.rest.json_text import parse_json

__all__ = ["describe", "parse_object", "predict_inputs"]

_ROWS, _COLUMNS = "instances", "inputs"
# RapidJSON's names of types.
_TYPES = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
_CONSTANTS = {None: "Null", False: "False", True: "True"}
# The `TensorProto` field with the values of each dtype that JSON can express.
_FIELDS: Mapping[int, str] = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT16: "int_val",
    types_pb2.DT_INT8: "int_val",
    types_pb2.DT_UINT8: "int_val",
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
}
_RANGES = {
    "int_val": (-(2**31), 2**31),  # also for the narrower dtypes
    "int64_val": (-(2**63), 2**63),
    "uint32_val": (0, 2**32),
    "uint64_val": (0, 2**64),
}
_FLOATS = ("float_val", "double_val")
_WHITESPACE = re.compile(r"[ \t\n\v\f\r]+")
# Dots pad, too. Without any padding, a text of the right length is complete.
_BASE64 = re.compile(r"([A-Za-z0-9+/]*)([=.]*)")
_ENCODER = json.JSONEncoder(indent=4, ensure_ascii=False)
_MAX_DESCRIPTION = 1024  # as long as an error message


def parse_object(
    body: bytes | bytearray, limits: Limits | None = None
) -> dict[str, Any]:
    """Parses a JSON object.

    Args:
        body: The JSON text; what comes after the object is ignored.
        limits: Bounds of its nesting and of its number of values; `None`: the default.

    Raises:
        RequestError: If it is not a JSON object, or exceeds a limit.

    Example:

    >>> parse_object(b'{"inputs": [1, NaN]}')
    {'inputs': [1, nan]}
    """
    value = parse_json(body, limits or Limits())
    if not isinstance(value, dict):
        raise invalid_argument(f"JSON Value: {describe(value)} Is not object")
    return value


def describe(value: Any) -> str:
    r"""Returns a JSON value as text, as far as an error message can hold it.

    Example:

    >>> describe({"b64": "ä"})
    '{\n    "b64": "ä"\n}'
    """
    text = ""
    for part in _ENCODER.iterencode(value):
        text += part
        if len(text) > _MAX_DESCRIPTION:
            break
    return text


def predict_inputs(
    body: Mapping[str, Any],
    signature_name: str,
    infos: Mapping[str, Any],
    limits: Limits | None = None,
) -> tuple[dict[str, tensor_pb2.TensorProto], bool]:
    """Returns the inputs of a predict request.

    Args:
        body: The parsed request.
        signature_name: Name of the signature in the request; empty: none.
        infos: `TensorInfo` of the signature's inputs by name.
        limits: Bounds of the number of rows; `None`: the default ones.

    Returns:
        Tensor messages by input name, and whether the request has rows.

    Raises:
        RequestError: If the inputs do not fit the signature, or exceed a limit.
    """
    limits = limits or Limits()
    if not infos:
        raise invalid_argument(
            f"Failed to get input map for signature: {signature_name or 'DEFAULT'}"
        )
    if _ROWS not in body:
        if _COLUMNS not in body:
            raise invalid_argument(f"Missing '{_COLUMNS}' or '{_ROWS}' key")
        return _from_columns(body[_COLUMNS], infos, limits), False
    rows = body[_ROWS]
    if _COLUMNS in body:
        problem = (
            f"Not formatted correctly expecting only one of '{_COLUMNS}' or '{_ROWS}' "
            "keys to exist "
        )
    elif not isinstance(rows, list):
        problem = f"Expecting '{_ROWS}' to be an list/array"
    elif not rows:
        problem = f"No values in '{_ROWS}' array"
    else:
        limits.check_rows(_ROWS, len(rows))
        return _from_rows(rows, infos), True
    raise invalid_argument(f"JSON Value: {describe(body)} {problem}")


def _from_columns(value, infos, limits):
    if isinstance(value, dict) and not _is_base64(value):
        columns = value
    elif len(infos) > 1:
        raise invalid_argument(
            "inputs is a plain value/list, but expecting an object as multiple input "
            "tensors required as per tensorinfo_map"
        )
    else:
        columns = dict.fromkeys(infos, value)
    tensors = {}
    for name, info in sorted(infos.items()):
        if name not in columns:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        if isinstance(columns[name], list):
            limits.check_rows(name, len(columns[name]))
        shape, values = _flatten(columns[name], info.dtype)
        tensors[name] = _tensor(info.dtype, shape, values)
    return tensors


def _from_rows(rows, infos):
    named = isinstance(rows[0], dict) and not _is_base64(rows[0])
    if not isinstance(rows[0], dict) and len(infos) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    shapes, values = {}, {name: [] for name in infos}
    for index, row in enumerate(rows):
        if named != (isinstance(row, dict) and not _is_base64(row)):
            kinds = "object but got list" if named else "value/list but got object"
            raise invalid_argument(f"Expecting {kinds} at item {index} of input list")
        members = row if named else {min(infos): row}
        for name, value in members.items():
            try:
                _add_row(name, value, infos, shapes, values)
            except RequestError as error:
                key = f" key: {name}" if named else ""
                raise invalid_argument(
                    f"Failed to process element: {index}{key} of 'instances' list. "
                    f"Error: {error.code.name}: {error.message}"
                ) from error
        if named and members.keys() != infos.keys():
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON "
                f"object: {describe(row)} keys must be equal to: "
                f"{','.join(sorted(infos))}"
            )
    return {
        name: _tensor(infos[name].dtype, [len(rows), *shape], values[name])
        for name, shape in shapes.items()
    }


def _add_row(name, value, infos, shapes, values):
    if name not in infos:
        raise invalid_argument(f"JSON object: does not have named input: {name}")
    shape, elements = _flatten(value, infos[name].dtype)
    first_shape = shapes.setdefault(name, shape)
    size, first_size = math.prod(shape), math.prod(first_shape)
    if size != first_size:
        raise invalid_argument(f"Expecting tensor size: {first_size} but got: {size}")
    if shape != first_shape:
        raise invalid_argument(
            f"Expecting shape {_shape_text(first_shape)} but got: {_shape_text(shape)}"
        )
    values[name] += elements


def _shape_text(shape):
    return f"[{','.join(map(str, shape))}]"


def _flatten(value, dtype):
    """Returns the shape and the elements of evenly nested lists."""
    shape, elements = [], []
    inner = value
    while isinstance(inner, list):
        shape.append(len(inner))
        if not inner:
            break
        inner = inner[0]
    _collect(value, 0, shape, dtype, elements)
    return shape, elements


def _collect(value, level, shape, dtype, elements):
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {describe(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {len(shape)}"
            )
        elements.append(_element(value, dtype))
        return
    if level >= len(shape):
        raise invalid_argument(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for inner in value:
        _collect(inner, level + 1, shape, dtype, elements)


def _tensor(dtype, shape, values):
    message = tensor_pb2.TensorProto(dtype=dtype)
    message.tensor_shape.SetInParent()
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    if values:  # an empty tensor may have a dtype that JSON has no values for
        getattr(message, _FIELDS[dtype]).extend(values)
    return message


def _element(value, dtype):
    """Returns a JSON value other than a list as an element of a tensor message."""
    field = _FIELDS.get(dtype)
    if isinstance(value, dict) and field == "string_val":
        return _decode_base64(value)
    if field is None and not isinstance(value, dict):
        raise RequestError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {describe(value)} to type: {cpp_name(dtype)}",
        )
    if field == "string_val" and isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if field == "bool_val" and isinstance(value, bool):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if field in _FLOATS and is_number:
        return float(value)  # infinite if it is too large for the dtype
    if field in _RANGES and is_number and isinstance(value, int):
        low, high = _RANGES[field]
        if low <= value < high:
            return value
    raise invalid_argument(
        f"JSON Value: {describe(value)} Type: {_type_name(value)} is not of expected "
        f"type: {cpp_name(dtype)}"
    )


def _type_name(value):
    if value is None or isinstance(value, bool):
        return _CONSTANTS[value]
    return _TYPES[type(value)]


def _is_base64(value):
    """Returns whether a JSON value is `{"b64": "..."}`."""
    return (
        isinstance(value, dict)
        and value.keys() == {"b64"}
        and isinstance(value["b64"], str)
    )


def _decode_base64(value):
    if not _is_base64(value):
        raise invalid_argument(
            f"JSON Value: {describe(value)} not formatted correctly for base64 data"
        )
    match = _BASE64.fullmatch(_WHITESPACE.sub("", value["b64"]))
    if match:
        text, padding = match.groups()
        missing = -len(text) % 4
        if missing < 3 and len(padding) in (0, missing):
            return base64.b64decode(text + "=" * missing)
    raise invalid_argument("Unable to base64 decode")
