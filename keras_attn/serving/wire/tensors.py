"""Conversion between NumPy arrays and TensorFlow's tensor messages.

The functions take any object with the fields of a `TensorProto`: that of
`keras_attn.serving.wire.messages`, or TensorFlow's own.
"""

import itertools
import math
import reprlib
from typing import Any

import numpy as np

__all__ = [
    "can_read",
    "dtype_name",
    "num_bytes",
    "read_tensor",
    "tensor_bytes",
    "tensor_shape",
    "write_tensor",
]

# TensorFlow's number of a dtype: (name, NumPy dtype, field with typed values).
_DTYPES = {
    1: ("float32", np.float32, "float_val"),
    2: ("float64", np.float64, "double_val"),
    3: ("int32", np.int32, "int_val"),
    4: ("uint8", np.uint8, "int_val"),
    5: ("int16", np.int16, "int_val"),
    6: ("int8", np.int8, "int_val"),
    7: ("string", np.object_, "string_val"),
    9: ("int64", np.int64, "int64_val"),
    10: ("bool", np.bool_, "bool_val"),
    17: ("uint16", np.uint16, "int_val"),
    19: ("float16", np.float16, "half_val"),
    22: ("uint32", np.uint32, "uint32_val"),
    23: ("uint64", np.uint64, "uint64_val"),
}
_NUMBERS = {np.dtype(dtype): number for number, (_, dtype, _) in _DTYPES.items()}
_STRING = 7
_HALF = 19

# One value may stand for a whole tensor, so a tiny message could claim any amount of
# memory. No tensor may be larger than the largest possible message.
_MAX_BYTES = 2**31 - 1
_MAX_AXES = 254  # TensorFlow's
_STRING_OBJECT_BYTES = 16  # TensorFlow has 24 for each string, protobuf 16
_CHUNK = 2**16  # values that become Python objects at once


def dtype_name(number: int) -> str:
    """Returns the name of a TensorFlow dtype number, such as `"float32"` for 1.

    Example:

    >>> dtype_name(7), dtype_name(14)
    ('string', 'dtype 14')
    """
    return _DTYPES[number][0] if number in _DTYPES else f"dtype {number}"


def can_read(number: int) -> bool:
    """Returns whether `read_tensor` supports a TensorFlow dtype number."""
    return number in _DTYPES


def num_bytes(array: np.ndarray) -> int:
    """Returns the memory of an array, with the bytes of its texts.

    Example:

    >>> num_bytes(np.zeros(3, np.float32))
    12
    """
    if array.dtype != object:
        return array.nbytes
    return _STRING_OBJECT_BYTES * array.size + sum(map(len, array.flat))


def tensor_bytes(message: Any) -> int:
    """Returns the memory that a tensor message stands for, without taking it.

    Args:
        message: A tensor message of a supported dtype.

    Raises:
        ValueError: If its shape is malformed.

    Example: seven bytes that stand for a million.

    >>> from keras_attn.serving.wire.messages import message_class
    >>> message = message_class("TensorProto")(dtype=4)
    >>> message.tensor_shape.dim.add(size=1_000_000).size
    1000000
    >>> tensor_bytes(message)
    1000000
    """
    _, dtype, field = _DTYPES[message.dtype]
    count = math.prod(tensor_shape(message))
    if message.dtype != _STRING:
        return count * np.dtype(dtype).itemsize
    if message.tensor_content:
        return _STRING_OBJECT_BYTES * count + len(message.tensor_content)
    values = getattr(message, field)
    length = sum(map(len, itertools.islice(values, min(count, len(values)))))
    if values and len(values) < count:
        length += len(values[-1]) * (count - len(values))
    # Surplus values are dropped, but the message holds them.
    return _STRING_OBJECT_BYTES * max(count, len(values)) + length


def write_tensor(message: Any, array: np.ndarray) -> None:
    r"""Writes an array into an empty tensor message, as typed values.

    TensorFlow Serving answers in this form, and some clients read the typed fields
    directly, so a server must not use the raw `tensor_content` instead.

    Args:
        message: The message to fill.
        array: Numbers or booleans, or text: `bytes` or `str` (sent as UTF-8) in an
            array of objects, or one of NumPy's own string dtypes.

    Raises:
        TypeError: If tensor messages do not support the array's dtype.

    Example:

    >>> from keras_attn.serving.wire.messages import message_class
    >>> message = message_class("TensorProto")()
    >>> write_tensor(message, np.array(["ein Hund", "Käse"]))
    >>> read_tensor(message)
    array([b'ein Hund', b'K\xc3\xa4se'], dtype=object)
    """
    array = np.asarray(array)
    is_text = array.dtype.kind in "OSUT"
    number = _STRING if is_text else _NUMBERS.get(array.dtype)
    if number is None:
        raise TypeError(
            "A tensor must hold numbers, booleans or text. "
            f"Received: dtype={array.dtype}. Convert it with `array.astype(...)`."
        )
    message.dtype = number
    message.tensor_shape.SetInParent()  # without it a scalar would have no shape
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    values = array.ravel()
    if number == _HALF:
        values = values.view(np.uint16)
    field = getattr(message, _DTYPES[number][2])
    for start in range(0, len(values), _CHUNK):
        elements = values[start : start + _CHUNK].tolist()
        field.extend(map(_to_bytes, elements) if is_text else elements)


def tensor_shape(message: Any) -> tuple[int, ...]:
    """Returns the shape of a tensor message.

    Raises:
        ValueError: If it has a negative axis, or too many.
    """
    axes = message.tensor_shape.dim
    if len(axes) > _MAX_AXES:
        raise ValueError(
            f"A tensor must have at most {_MAX_AXES} axes. Received: {len(axes)}."
        )
    shape = tuple(axis.size for axis in axes)
    if any(size < 0 for size in shape):
        raise ValueError(f"A tensor must have a known shape. Received: shape={shape}.")
    return shape


def read_tensor(message: Any) -> np.ndarray:
    """Returns the array in a tensor message.

    Values are in the raw `tensor_content` or in the field of their type. For the
    latter, TensorFlow's rule holds: missing values at the end repeat the last one (or
    are zero if there is none), and surplus values are dropped. An unknown rank is that
    of a scalar; a shape of no elements has no values, whatever else is there.

    Args:
        message: A tensor message.

    Returns:
        A new array with the dtype of the message; text as `bytes` objects.

    Raises:
        ValueError: If the message does not describe a tensor.

    Example:

    >>> from keras_attn.serving.wire.messages import message_class
    >>> message = message_class("TensorProto")(dtype=3, int_val=[7])
    >>> message.tensor_shape.dim.add(size=3).size
    3
    >>> read_tensor(message)
    array([7, 7, 7], dtype=int32)
    """
    if message.dtype not in _DTYPES:
        raise ValueError(
            "A tensor's dtype must be one of "
            f"{', '.join(name for name, _, _ in _DTYPES.values())}. "
            f"Received: dtype={message.dtype}."
        )
    _, dtype, field = _DTYPES[message.dtype]
    shape = tensor_shape(message)
    count = math.prod(shape)
    size = count * np.dtype(dtype).itemsize
    if size > _MAX_BYTES:
        raise ValueError(
            f"A tensor must not need more than {_MAX_BYTES} bytes. "
            f"Received: shape={shape}, dtype={dtype_name(message.dtype)}."
        )
    if message.tensor_content and count:
        return _from_content(message, dtype, count).reshape(shape)
    return _from_values(getattr(message, field), message.dtype, count).reshape(shape)


def _from_values(values, number, count):
    _, dtype, field = _DTYPES[number]
    # These two fields are wider than some of the dtypes stored in them.
    wire_dtype = np.int32 if field in ("int_val", "half_val") else dtype
    if number == _STRING:
        length = min(len(values), count)
        prefix = np.fromiter(itertools.islice(values, length), object, length)
    else:
        prefix = np.array(values, dtype=wire_dtype)[:count]
    array = np.empty(count, dtype=wire_dtype)
    array[: len(prefix)] = prefix
    if len(prefix) < count:
        zero = b"" if number == _STRING else 0
        array[len(prefix) :] = prefix[-1] if len(prefix) else zero
    if number == _HALF:
        return array.astype(np.uint16).view(dtype)
    return array.astype(dtype, copy=False)


def _from_content(message, dtype, count):
    if message.dtype == _STRING:
        return _strings_from_content(message.tensor_content, count)
    size = count * np.dtype(dtype).itemsize
    if len(message.tensor_content) != size:
        raise ValueError(
            f"`tensor_content` must hold {size} bytes for its shape and dtype. "
            f"Received: {len(message.tensor_content)} bytes."
        )
    little_endian = np.dtype(dtype).newbyteorder("<")
    return np.frombuffer(message.tensor_content, little_endian).astype(dtype)


def _strings_from_content(content, count):
    """Reads `count` varint lengths, followed by as many strings."""
    lengths, position = [], 0
    while len(lengths) < count:
        length, position = _varint(content, position)
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise ValueError(
            "`tensor_content` of text must hold as many bytes as its lengths say. "
            f"Received: {len(content)} bytes for {position + sum(lengths)}."
        )
    array = np.empty(count, dtype=object)
    for row, length in enumerate(lengths):
        array[row] = content[position : position + length]
        position += length
    return array


def _varint(content, position):
    value = 0
    for shift in range(0, 35, 7):  # a 32-bit number has at most five bytes
        if position == len(content):
            break
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError(
        "`tensor_content` of text must begin with one length for each element. "
        f"Received: no length that ends at byte {position} of {len(content)}."
    )


def _to_bytes(value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise TypeError(
        "The elements of a text tensor must be `bytes` or `str`. "
        f"Received: {reprlib.repr(value)} of type {type(value).__name__}."
    )
