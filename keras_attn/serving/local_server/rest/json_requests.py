"""Reads predict requests: JSON rows or columns to tensor messages.

Rules and texts are those of TensorFlow Serving. In rows, `{"instances": [...]}`, each
element is one row of every input; in columns, `{"inputs": ...}`, each member is a whole
input.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
from tensorflow.core.framework import tensor_pb2, types_pb2

from keras_attn.serving.local_server.errors import (
    RequestError,
    cpp_name,
    invalid_argument,
)

__all__ = ["describe", "parse_object", "predict_inputs"]

_ROWS, _COLUMNS = "instances", "inputs"
# Python's messages about malformed JSON, by their first words, and RapidJSON's.
_PARSE_ERRORS = {
    "Expecting value": "Invalid value.",
    "Illegal trailing comma before end of array": "Invalid value.",
    "Expecting property name": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma or } after an object member.",
    "Unterminated string": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character": "Invalid encoding in string.",
    "Extra data": "The document root must not be followed by other values.",
}
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
_FLOATS: Mapping[str | None, type[np.floating]] = {
    "float_val": np.float32,
    "double_val": np.float64,
}
_WHITESPACE = re.compile(r"[ \t\n\v\f\r]+")


def parse_object(body: bytes) -> dict[str, Any]:
    """Parses a JSON object.

    NaN and Infinity are numbers; the first of several members with the same key counts;
    bytes that are not UTF-8 become surrogate escapes.

    Args:
        body: The JSON text.

    Raises:
        RequestError: If it is not a JSON object.

    Example:

    >>> parse_object(b'{"inputs": [1, NaN]}')
    {'inputs': [1, nan]}
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    try:
        value = json.loads(text, object_pairs_hook=_first_members)
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode("utf-8", "surrogateescape"))
        problem = next(
            (
                rapidjson
                for python, rapidjson in _PARSE_ERRORS.items()
                if error.msg.startswith(python)
            ),
            error.msg,
        )
        raise invalid_argument(
            f"JSON Parse error: {problem} at offset: {offset}"
        ) from error
    except (RecursionError, ValueError) as error:  # too deep; too many digits
        raise invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(value, dict):
        raise invalid_argument(f"JSON Value: {describe(value)} Is not object")
    return value


def describe(value: Any) -> str:
    r"""Returns a JSON value as text, for an error message.

    Example:

    >>> describe({"b64": "ä"})
    '{\n    "b64": "ä"\n}'
    """
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    return json.dumps(value, indent=4, ensure_ascii=False)


def predict_inputs(
    body: Mapping[str, Any], signature_name: str, infos: Mapping[str, Any]
) -> tuple[dict[str, tensor_pb2.TensorProto], bool]:
    """Returns the inputs of a predict request.

    Args:
        body: The parsed request.
        signature_name: Name of the signature in the request; empty: none.
        infos: `TensorInfo` of the signature's inputs by name.

    Returns:
        Tensor messages by input name, and whether the request has rows.

    Raises:
        RequestError: If the inputs do not fit the signature.
    """
    if not infos:
        raise invalid_argument(
            f"Failed to get input map for signature: {signature_name or 'DEFAULT'}"
        )
    if _ROWS not in body:
        if _COLUMNS not in body:
            raise invalid_argument(f"Missing '{_COLUMNS}' or '{_ROWS}' key")
        return _from_columns(body[_COLUMNS], infos), False
    rows = body[_ROWS]
    if _COLUMNS in body:
        problem = (
            f"Not formatted correctly expecting only one of '{_COLUMNS}' or '{_ROWS}' "
            "keys to exist "
        )
    elif not isinstance(rows, list):
        problem = f"Excepting '{_ROWS}' to be an list/array"
    elif not rows:
        problem = f"No values in '{_ROWS}' array"
    else:
        return _from_rows(rows, infos), True
    raise invalid_argument(f"JSON Value: {describe(body)} {problem}")


def _first_members(pairs):
    members = dict(pairs)
    return members if len(members) == len(pairs) else dict(reversed(pairs))


def _from_columns(value, infos):
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
        return _encode(value)
    if field == "bool_val" and isinstance(value, bool):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if field in _FLOATS and is_number:
        return _to_float(value, _FLOATS[field])
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
    text = _WHITESPACE.sub("", value["b64"]).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_argument("Unable to base64 decode") from error


def _encode(value):
    """Returns the bytes of a JSON string; refuses half of a surrogate pair."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise invalid_argument(
            "JSON Parse error: The surrogate pair in string is invalid."
        ) from error


def _to_float(value, dtype):
    """Returns a JSON number as a float; refuses what the dtype cannot represent."""
    info = np.finfo(dtype)
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        fits = abs(value) < 2 ** (info.nmant + 1)
    else:
        try:
            fits = not np.isfinite(float(value)) or abs(value) <= float(info.max)
        except OverflowError as error:
            raise invalid_argument(
                "JSON Parse error: Number too big to be stored in double."
            ) from error
    if not fits:
        raise invalid_argument(
            f"Cannot convert JSON value: {describe(value)} to {cpp_name(dtype)} "
            "without loss of precision."
        )
    return float(value)
