"""A JSON value that is no list, as one element of a tensor."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
from tensorflow.core.framework import types_pb2

from keras_attn.serving.local_server.dtypes import cpp_name
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.rest.json_values import describe, refuse, type_name

__all__ = ["FIELDS", "decode_bytes", "element", "encode", "is_bytes", "narrow_number"]

# The field of a `TensorProto` that holds the values of each dtype that JSON can give.
FIELDS: Mapping[int, str] = {
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
    "int_val": (-(2**31), 2**31),  # also for the narrower ones
    "int64_val": (-(2**63), 2**63),
    "uint32_val": (0, 2**32),
    "uint64_val": (0, 2**64),
}
_FLOATS: Mapping[str | None, type[np.floating]] = {
    "float_val": np.float32,
    "double_val": np.float64,
}
_BLANKS = re.compile(r"[ \t\n\v\f\r]+")


def element(value: Any, dtype: int) -> bytes | bool | int | float:
    """Returns a JSON value as it stands in a tensor message.

    Args:
        value: No list.
        dtype: TensorFlow's number of the tensor's dtype.

    Raises:
        RequestError: If the value does not fit the dtype.

    Example:

    >>> element({"b64": "SGk="}, types_pb2.DT_STRING), element(3, types_pb2.DT_FLOAT)
    (b'Hi', 3.0)
    """
    field = FIELDS.get(dtype)
    if isinstance(value, dict) and field == "string_val":
        return decode_bytes(value)
    if field is None and not isinstance(value, dict):
        raise RequestError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {describe(value)} to type: {cpp_name(dtype)}",
        )
    if field == "string_val" and isinstance(value, str):
        return encode(value)
    if field == "bool_val" and isinstance(value, bool):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if field in _FLOATS and is_number:
        return narrow_number(value, _FLOATS[field])
    if field in _RANGES and is_number and isinstance(value, int):
        low, high = _RANGES[field]
        if low <= value < high:
            return value
    raise refuse(
        f"JSON Value: {describe(value)} Type: {type_name(value)} is not of expected "
        f"type: {cpp_name(dtype)}"
    )


def is_bytes(value: Any) -> bool:
    """Tells whether a JSON value is `{"b64": "..."}`."""
    return (
        isinstance(value, dict)
        and value.keys() == {"b64"}
        and isinstance(value["b64"], str)
    )


def narrow_number(value: int | float, dtype: type[np.floating]) -> float:
    """Returns a JSON number as a float of some width, unless too much would be lost.

    Raises:
        RequestError: If it is a whole number or of a size that the width cannot hold.
    """
    info = np.finfo(dtype)
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        fits = abs(value) < 2 ** (info.nmant + 1)
    else:
        try:
            fits = not np.isfinite(float(value)) or abs(value) <= float(info.max)
        except OverflowError as error:
            raise refuse(
                "JSON Parse error: Number too big to be stored in double."
            ) from error
    if not fits:
        raise refuse(
            f"Cannot convert JSON value: {describe(value)} to {cpp_name(dtype)} "
            "without loss of precision."
        )
    return float(value)


def encode(value: str) -> bytes:
    """Returns the bytes that a JSON string stood for.

    Raises:
        RequestError: If it has half of a surrogate pair.
    """
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise refuse(
            "JSON Parse error: The surrogate pair in string is invalid."
        ) from error


def decode_bytes(value: Any) -> bytes:
    """Returns the bytes of `{"b64": "..."}`.

    Raises:
        RequestError: If it is no such object, or no base64.
    """
    if not is_bytes(value):
        raise refuse(
            f"JSON Value: {describe(value)} not formatted correctly for base64 data"
        )
    text = _BLANKS.sub("", value["b64"]).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise refuse("Unable to base64 decode") from error
