"""Writes responses as JSON, in the layout of TensorFlow Serving."""

import base64
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_attn.serving.local_server.errors import cpp_name, invalid_argument

__all__ = ["predict_json", "response_bytes"]

# A value before its layout: JSON text, bytes that will be base64, lists and objects.
_Node = str | bytes | list[Any] | dict[str, Any]

_BYTES_SUFFIX = "_bytes"
_BYTES_PER_VALUE = 64  # of memory while a response is written
# RapidJSON escapes only quotes, backslashes and control characters.
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_SHORT_ESCAPES = dict(zip('"\\\b\f\n\r\t', '"\\bfnrt', strict=True))
_EXACT = {np.dtype(np.float32): "%.9g", np.dtype(np.float64): "%.17g"}
_INTEGERS = ("bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")


def predict_json(outputs: Mapping[str, np.ndarray], in_rows: bool) -> str:
    r"""Returns the body of a predict response.

    A single output is a plain value, several are the members of an object. Strings are
    written as UTF-8, or in base64 if the output's name ends in `_bytes`.

    Args:
        outputs: Arrays by output name.
        in_rows: Whether the request has rows.

    Raises:
        RequestError: If a dtype has no JSON form, or if the outputs of a request with
            rows differ in their number of rows.

    Example:

    >>> predict_json({"y": np.float32([2.5, 3])}, in_rows=True)
    '{\n    "predictions": [2.5, 3.0\n    ]\n}'
    """
    names = sorted(outputs)
    if in_rows:
        _check_rows(outputs)
    nodes = {name: _node(name, outputs[name]) for name in names}
    if not in_rows:
        node = nodes if len(nodes) > 1 else nodes[names[0]]
        return _document("outputs", _text(node, 1, one_line=False))
    if len(nodes) == 1:
        return _document("predictions", _rows(nodes[names[0]]))
    objects = [
        _text(dict(zip(names, row, strict=True)), 2, one_line=True)
        for row in zip(*nodes.values(), strict=True)
    ]
    separator = _newline(2)
    listed = separator + f",{separator}".join(objects) + _newline(1) if objects else ""
    return _document("predictions", f"[{listed}]")


def response_bytes(outputs: Mapping[str, np.ndarray]) -> int:
    """Returns about the memory that is needed to write outputs as JSON.

    Each value counts as 64 bytes, a string as its own bytes besides.

    Example:

    >>> response_bytes({"y": np.zeros((2, 3), np.float32)})
    384
    """
    total = 0
    for array in outputs.values():
        total += array.size * _BYTES_PER_VALUE
        if array.dtype == object:
            total += sum(map(len, array.flat))
    return total


def _check_rows(outputs):
    size = None
    for name, array in sorted(outputs.items()):
        if not array.ndim:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if size is not None and len(array) != size:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {size}"
            )
        size = len(array)


def _node(name, array):
    flat = np.empty(array.size, dtype=object)
    flat[:] = _elements(array.ravel(), name.endswith(_BYTES_SUFFIX))
    return flat.reshape(array.shape).tolist()


def _elements(array, as_bytes):
    if array.dtype == object:
        values = array.tolist()
        return values if as_bytes else [_quoted(_decoded(value)) for value in values]
    if array.dtype in _EXACT:
        return _decimals(array)
    if array.dtype == bool:
        return ["true" if value else "false" for value in array.tolist()]
    if array.dtype.name in _INTEGERS or not array.size:
        return list(map(str, array.tolist()))
    raise invalid_argument(
        f"Failed to write JSON value for tensor type: {cpp_name(array.dtype)}"
    )


def _decimals(array):
    """Writes six digits if they are exact, else as many as may be needed."""
    texts = [f"{value:g}" for value in array.tolist()]
    parsed = np.array(texts, dtype=np.float64).astype(array.dtype)
    for index in np.flatnonzero((parsed != array) & np.isfinite(array)):
        texts[index] = _EXACT[array.dtype] % array[index]
    for index in np.flatnonzero(~np.isfinite(array)):
        texts[index] = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[
            str(array[index])
        ]
    return [text if {".", "e", "N", "I"} & set(text) else text + ".0" for text in texts]


def _decoded(value):
    return value.decode("utf-8", "surrogateescape")


def _quoted(text):
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match):
    short = _SHORT_ESCAPES.get(match[0])
    return f"\\{short}" if short else f"\\u{ord(match[0]):04X}"


def _newline(level):
    return "\n" + " " * 4 * level


def _document(key, value):
    return f'{{{_newline(1)}"{key}": {value}\n}}'


def _rows(nodes):
    """Writes lists on one line, except for the last bracket on the next line."""
    if not nodes:
        return "[]"
    listed = ", ".join(_text(node, 2, one_line=True) for node in nodes)
    return f"[{listed}{_newline(1)}]"


def _text(node: _Node, level: int, *, one_line: bool) -> str:
    """Writes a node at an indentation level; `one_line` applies to lists only."""
    if isinstance(node, str):
        return node
    if isinstance(node, bytes):
        encoded = base64.b64encode(node).decode()
        node = {"b64": f'"{encoded}"'}
    if not node:
        return "{}" if isinstance(node, dict) else "[]"
    if isinstance(node, dict):
        begin, end = "{", "}"
        items = [
            f"{_quoted(key)}: {_text(value, level + 1, one_line=one_line)}"
            for key, value in node.items()
        ]
    else:
        begin, end = "[", "]"
        items = [_text(value, level + 1, one_line=one_line) for value in node]
        if one_line:
            return f"[{', '.join(items)}]"
    separator = _newline(level + 1)
    return begin + separator + f",{separator}".join(items) + _newline(level) + end
