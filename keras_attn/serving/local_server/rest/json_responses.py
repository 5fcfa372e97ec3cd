"""Answers as JSON text, laid out and written as TensorFlow Serving's writer does."""

import base64
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_attn.serving.local_server.dtypes import cpp_name
from keras_attn.serving.local_server.rest.json_values import refuse

__all__ = ["classify_json", "error_json", "predict_json", "regress_json"]

# What a value becomes before it is laid out: text that is JSON already, bytes that go
# into base64, lists and objects of these.
_Node = str | bytes | list[Any] | dict[str, Any]

_BYTES_SUFFIX = "_bytes"
# Of a string RapidJSON escapes quotes, backslashes and control characters alone.
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_SHORT = dict(zip('"\\\b\f\n\r\t', '"\\bfnrt', strict=True))
_EXACT = {np.dtype(np.float32): "%.9g", np.dtype(np.float64): "%.17g"}
_WHOLE = ("bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")


def predict_json(outputs: Mapping[str, np.ndarray], in_rows: bool) -> str:
    r"""Returns the body of a predict response.

    One output stands alone, several are the members of an object. Text is written as
    it is, or in base64 where the output's name ends in `_bytes`.

    Args:
        outputs: Arrays by output name.
        in_rows: Whether the request came in rows.

    Raises:
        RequestError: If JSON cannot give an array's dtype, or rows are wanted and not
            every output has as many.

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


def classify_json(result: Any) -> str:
    """Returns the body for a `ClassificationResult`: pairs of label and score."""
    if not result.classifications:
        raise refuse("Cannot convert empty ClassificationResults to JSON")
    rows: list[_Node] = [
        [[_quoted(each.label), _decimal(each.score)] for each in one.classes]
        for one in result.classifications
    ]
    return _document("results", _rows(rows))


def regress_json(result: Any) -> str:
    """Returns the body for a `RegressionResult`."""
    if not result.regressions:
        raise refuse("Cannot convert empty RegressionResults to JSON")
    values = [_decimal(one.value) for one in result.regressions]
    return _document("results", _text(values, 1, one_line=True))


def error_json(message: str) -> str:
    r"""Returns the body of a refusal.

    Example:

    >>> error_json('no "x"')
    '{\n    "error": "no \\"x\\""\n}'
    """
    return _document("error", _quoted(message))


def _check_rows(outputs):
    size = None
    for name, array in sorted(outputs.items()):
        if not array.ndim:
            raise refuse(f"Tensor name: {name} has no shape information ")
        if size is not None and len(array) != size:
            raise refuse(
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
    if array.dtype.name in _WHOLE or not array.size:
        return list(map(str, array.tolist()))
    raise refuse(f"Failed to write JSON value for tensor type: {cpp_name(array.dtype)}")


def _decimals(array):
    """Writes six digits where they say it all, as many as can be needed elsewhere."""
    texts = [f"{value:g}" for value in array.tolist()]
    again = np.array(texts, dtype=np.float64).astype(array.dtype)
    for index in np.flatnonzero((again != array) & np.isfinite(array)):
        texts[index] = _EXACT[array.dtype] % array[index]
    for index in np.flatnonzero(~np.isfinite(array)):
        texts[index] = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[
            str(array[index])
        ]
    return [text if {".", "e", "N", "I"} & set(text) else text + ".0" for text in texts]


def _decimal(value):
    return _decimals(np.float32([value]))[0]


def _decoded(value):
    return value.decode("utf-8", "surrogateescape")


def _quoted(text):
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match):
    short = _SHORT.get(match[0])
    return f"\\{short}" if short else f"\\u{ord(match[0]):04X}"


def _newline(level):
    return "\n" + " " * 4 * level


def _document(key, value):
    return f'{{{_newline(1)}"{key}": {value}\n}}'


def _rows(nodes):
    """Lists on one line, except that the last bracket stands on the next."""
    if not nodes:
        return "[]"
    listed = ", ".join(_text(node, 2, one_line=True) for node in nodes)
    return f"[{listed}{_newline(1)}]"


def _text(node: _Node, level: int, *, one_line: bool) -> str:
    """Lays a node out that begins at some level; `one_line` holds for lists alone."""
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
