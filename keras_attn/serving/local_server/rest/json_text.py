"""Parses JSON text as RapidJSON does in TensorFlow Serving, within bounds.

What Python's parser does otherwise is changed in the text first: `Inf` and `-NaN`, and
escapes of half a surrogate pair. The bounds are checked before it runs, since it holds
Python's lock, and makes up to 40 bytes of a byte of text.
"""

import json
import math
import re
from typing import Any

import numpy as np

from keras_attn.serving.local_server.errors import invalid_argument
from keras_attn.serving.local_server.limits import Limits

__all__ = ["parse_json"]

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
}
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STRING = re.compile(rb'"[^"]*"?')
# RapidJSON's numbers that Python does not know, with strings, which are passed over.
_NUMBERS = re.compile(rb'"[^"]*"?|-?Inf(?:inity)?|-NaN')
_PYTHON = {
    b"Inf": b"Infinity",
    b"Infinity": b"Infinity",
    b"-Inf": b"-Infinity",
    b"-Infinity": b"-Infinity",
    b"-NaN": b"NaN",
}
# Whole pairs are passed over; then first and second halves.
_SURROGATES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89abAB][0-9a-fA-F]{2})|(\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class _TooBigError(Exception):
    """A number that no double can hold."""


def parse_json(body: bytes | bytearray, limits: Limits) -> Any:
    r"""Parses JSON text.

    NaN and infinities are numbers; the first of several members with the same key
    counts; whole numbers beyond 64 bits are floats; what follows the first value is
    ignored. Strings hold the text's own bytes: those that are not UTF-8, and the second
    half of a surrogate pair without its first, as surrogate escapes.

    Args:
        body: The JSON text.
        limits: Bounds of its nesting and of its number of values.

    Raises:
        RequestError: If the text is not JSON, or exceeds a limit.

    Example:

    >>> parse_json(b'[1, -Inf, "\\udc00"] and more', Limits())
    [1, -inf, '\udced\udcb0\udc80']
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    body = _pythonic(body.removeprefix(b"\xef\xbb\xbf"), limits)
    text = body.decode("utf-8", "surrogateescape")
    begin = len(text) - len(text.lstrip(" \t\n\r"))
    if begin == len(text):
        raise _parse_error("The document is empty.", text, begin)
    try:
        return _DECODER.raw_decode(text, begin)[0]
    except json.JSONDecodeError as error:
        problem = next(
            (
                rapidjson
                for python, rapidjson in _PARSE_ERRORS.items()
                if error.msg.startswith(python)
            ),
            error.msg,
        )
        raise _parse_error(problem, text, error.pos) from error
    except _TooBigError as error:
        position = text.index(str(error))
        problem = "Number too big to be stored in double."
        raise _parse_error(problem, text, position) from error
    except RecursionError as error:
        raise invalid_argument(f"JSON Parse error: {error}") from error


def _pythonic(body, limits):
    """Checks the limits; returns text with the same meaning for Python's parser."""
    # RapidJSON's text ends at a zero byte. So zeros can stand for escapes meanwhile, of
    # the same length: every quotation mark left begins or ends a string.
    body = body.partition(b"\0")[0]
    body = body.replace(b"\\\\", b"\0a").replace(b'\\"', b"\0b")
    _check_values(body.count(b'"') // 4, limits)  # at most two strings for a value
    outside = _STRING.sub(b"", body)
    _check_structure(outside, limits)
    if _SURROGATE.search(body):
        body = _SURROGATES.sub(_surrogate, body)
    if b"Inf" in outside or b"-NaN" in outside:
        body = _NUMBERS.sub(lambda match: _PYTHON.get(match[0], match[0]), body)
    return body.replace(b"\0b", b'\\"').replace(b"\0a", b"\\\\")


def _check_structure(outside, limits):
    """Checks the limits; `outside` is the text without its strings."""
    num_brackets = outside.count(b"[") + outside.count(b"{")
    _check_values(outside.count(b",") + num_brackets, limits)
    if num_brackets <= limits.max_nesting:
        return
    brackets = outside.translate(None, _NOT_BRACKETS)[: 2 * num_brackets]
    codes = np.frombuffer(brackets, np.uint8)
    steps = np.where((codes == ord("[")) | (codes == ord("{")), 1, -1)
    if steps.cumsum().max() > limits.max_nesting:
        raise invalid_argument(
            "JSON Parse error: Lists and objects must be nested at most "
            f"{limits.max_nesting} deep. Send a flatter request, or start the server "
            "with a higher --max-nesting."
        )


def _check_values(count, limits):
    if count > limits.max_json_values:
        raise invalid_argument(
            f"JSON Parse error: A request must have at most {limits.max_json_values} "
            "values. Send its rows in several requests, or start the server with a "
            "higher --max-json-values."
        )


def _surrogate(match):
    r"""Returns the three bytes that RapidJSON makes of a lone `\udc00`."""
    if match[1]:
        problem = "The surrogate pair in string is invalid."
        raise invalid_argument(
            f"JSON Parse error: {problem} at offset: {match.start()}"
        )
    if match[2]:
        return chr(int(match[2][2:], 16)).encode("utf-8", "surrogatepass")
    return match[0]


def _parse_error(problem, text, position):
    offset = len(text[:position].encode("utf-8", "surrogateescape"))
    return invalid_argument(f"JSON Parse error: {problem} at offset: {offset}")


def _first_members(pairs):
    members = dict(pairs)
    return members if len(members) == len(pairs) else dict(reversed(pairs))


def _parse_int(text):
    if len(text) <= 20:  # a sign and 64 bits
        number = int(text)
        if -(2**63) <= number < 2**64:
            return number
    return _parse_float(text)


def _parse_float(text):
    number = float(text)
    if math.isinf(number):
        raise _TooBigError(text)
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_first_members, parse_int=_parse_int, parse_float=_parse_float
)
