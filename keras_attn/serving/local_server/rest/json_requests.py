"""The body of a predict request: JSON in rows or in columns, to tensor messages.

Rules and texts are those of TensorFlow Serving. In rows, `{"instances": [...]}`, each
element is one row of every input; in columns, `{"inputs": ...}`, each input is whole.
"""

import math
from collections.abc import Mapping
from typing import Any

from tensorflow.core.framework import tensor_pb2

from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.rest.json_scalars import FIELDS, element, is_bytes
from keras_attn.serving.local_server.rest.json_values import describe, refuse

__all__ = ["predict_inputs"]

_ROWS, _COLUMNS = "instances", "inputs"


def predict_inputs(
    body: Mapping[str, Any], signature_name: str, infos: Mapping[str, Any]
) -> tuple[dict[str, tensor_pb2.TensorProto], bool]:
    """Reads the inputs of a predict request.

    Args:
        body: The request, parsed.
        signature_name: The signature that it names; empty: none.
        infos: `TensorInfo` of each of the signature's inputs by name.

    Returns:
        A tensor message for each input, and whether the request came in rows.

    Raises:
        RequestError: If the inputs do not fit the signature.
    """
    if not infos:
        raise refuse(
            f"Failed to get input map for signature: {signature_name or 'DEFAULT'}"
        )
    if _ROWS not in body:
        if _COLUMNS not in body:
            raise refuse(f"Missing '{_COLUMNS}' or '{_ROWS}' key")
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
    raise refuse(f"JSON Value: {describe(body)} {problem}")


def _from_columns(value, infos):
    if isinstance(value, dict) and not is_bytes(value):
        columns = value
    elif len(infos) > 1:
        raise refuse(
            "inputs is a plain value/list, but expecting an object as multiple input "
            "tensors required as per tensorinfo_map"
        )
    else:
        columns = dict.fromkeys(infos, value)
    tensors = {}
    for name, info in sorted(infos.items()):
        if name not in columns:
            raise refuse(f"Missing named input: {name} in 'inputs' object.")
        shape, values = _flatten(columns[name], info.dtype)
        tensors[name] = _tensor(info.dtype, shape, values)
    return tensors


def _from_rows(rows, infos):
    named = isinstance(rows[0], dict) and not is_bytes(rows[0])
    if not isinstance(rows[0], dict) and len(infos) > 1:
        raise refuse(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    shapes, values = {}, {name: [] for name in infos}
    for number, row in enumerate(rows):
        if named != (isinstance(row, dict) and not is_bytes(row)):
            kinds = "object but got list" if named else "value/list but got object"
            raise refuse(f"Expecting {kinds} at item {number} of input list")
        members = row if named else {min(infos): row}
        for name, value in members.items():
            try:
                _add_row(name, value, infos, shapes, values)
            except RequestError as error:
                key = f" key: {name}" if named else ""
                raise refuse(
                    f"Failed to process element: {number}{key} of 'instances' list. "
                    f"Error: {error.code.name}: {error.message}"
                ) from error
        if named and members.keys() != infos.keys():
            raise refuse(
                f"Failed to process element: {number} of 'instances' list. JSON "
                f"object: {describe(row)} keys must be equal to: "
                f"{','.join(sorted(infos))}"
            )
    return {
        name: _tensor(infos[name].dtype, [len(rows), *shape], values[name])
        for name, shape in shapes.items()
    }


def _add_row(name, value, infos, shapes, values):
    if name not in infos:
        raise refuse(f"JSON object: does not have named input: {name}")
    shape, flat = _flatten(value, infos[name].dtype)
    first = shapes.setdefault(name, shape)
    size, want = math.prod(shape), math.prod(first)
    if size != want:
        raise refuse(f"Expecting tensor size: {want} but got: {size}")
    if shape != first:
        raise refuse(f"Expecting shape {_listed(first)} but got: {_listed(shape)}")
    values[name] += flat


def _listed(shape):
    return f"[{','.join(map(str, shape))}]"


def _flatten(value, dtype):
    """Returns the shape and the elements of lists nested evenly."""
    shape, flat = [], []
    inner = value
    while isinstance(inner, list):
        shape.append(len(inner))
        if not inner:
            break
        inner = inner[0]
    _collect(value, 0, shape, dtype, flat)
    return shape, flat


def _collect(value, level, shape, dtype, flat):
    if not isinstance(value, list):
        if level != len(shape):
            raise refuse(
                f"JSON Value: {describe(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {len(shape)}"
            )
        flat.append(element(value, dtype))
        return
    if level >= len(shape):
        raise refuse(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise refuse(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for inner in value:
        _collect(inner, level + 1, shape, dtype, flat)


def _tensor(dtype, shape, values):
    message = tensor_pb2.TensorProto(dtype=dtype)
    message.tensor_shape.SetInParent()
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    if values:  # else its dtype may be one that JSON has no values for
        getattr(message, FIELDS[dtype]).extend(values)
    return message
