"""JSON text: read as TensorFlow Serving's reader does, described in its words."""

import json
import math
from typing import Any

import grpc

from keras_attn.serving.local_server.errors import RequestError

__all__ = ["describe", "parse_object", "refuse", "type_name"]

# What Python says is wrong with a text, by its first words: what RapidJSON says.
_PROBLEMS = {
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
_TYPES = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
_CONSTANTS = {None: "Null", False: "False", True: "True"}


def refuse(message: str) -> RequestError:
    """Returns the error of a body that does not say what it should."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)


def parse_object(body: bytes) -> dict[str, Any]:
    """Reads a JSON object.

    NaN and Infinity are numbers; of a key that comes twice the first counts; bytes that
    are no UTF-8 are kept as surrogate escapes.

    Args:
        body: The text.

    Raises:
        RequestError: If it is no JSON object.

    Example:

    >>> parse_object(b'{"inputs": [1, NaN]}')
    {'inputs': [1, nan]}
    """
    if not body:
        raise refuse("JSON Parse error: The document is empty")
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    try:
        value = json.loads(text, object_pairs_hook=_first_of_each)
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode("utf-8", "surrogateescape"))
        problem = next(
            (ours for words, ours in _PROBLEMS.items() if error.msg.startswith(words)),
            error.msg,
        )
        raise refuse(f"JSON Parse error: {problem} at offset: {offset}") from error
    except (RecursionError, ValueError) as error:  # too deep; too many digits
        raise refuse(f"JSON Parse error: {error}") from error
    if not isinstance(value, dict):
        raise refuse(f"JSON Value: {describe(value)} Is not object")
    return value


def describe(value: Any) -> str:
    r"""Returns a JSON value as text, for a message.

    Example:

    >>> describe({"b64": "ä"})
    '{\n    "b64": "ä"\n}'
    """
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    return json.dumps(value, indent=4, ensure_ascii=False)


def type_name(value: Any) -> str:
    """Returns what RapidJSON calls the type of a JSON value."""
    if value is None or isinstance(value, bool):
        return _CONSTANTS[value]
    return _TYPES[type(value)]


def _first_of_each(pairs):
    members = dict(pairs)
    return members if len(members) == len(pairs) else dict(reversed(pairs))
