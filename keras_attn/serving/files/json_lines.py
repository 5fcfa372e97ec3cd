"""Named fields of JSON Lines."""

import functools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_attn.serving.files.document import Document, Passage, decode
from keras_attn.spelling import did_you_mean

__all__ = ["JsonLines"]

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_WHITE_SPACE = re.compile(r"[ \t\r\n]*")


class JsonLines(Document):
    """One JSON object a line.

    Strings are replaced where they stand, so that spaces, numbers, escapes and the
    order of keys stay. A file of ASCII characters alone stays one.

    Args:
        path: The file.
        fields: Names of the fields to translate: a key, or several with dots between
            them, for objects inside of objects. In an array, they count for each item.
            The value is a string, an array of strings, or null, which stays.
        wrapped: As in `Document`.
    """

    def __init__(self, path: Path, fields: Sequence[str], *, wrapped: bool = False):
        super().__init__(path, wrapped=wrapped)
        self.fields = fields

    def parts(self) -> Iterator[bytes | Passage]:
        """Yields a passage for each string of the fields, and all else as bytes.

        Raises:
            ValueError: If a line is no JSON object, or lacks a field.
        """
        for number, line in self.lines():
            if number == 0 or not line.strip():
                yield line
                continue
            text = decode(line)
            position = 0
            for begin, end in self._strings(number, text):
                yield _encode(text[position:begin])
                yield self._passage(number, text[begin:end])
                position = end
            yield _encode(text[position:])

    def _strings(self, number, text):
        """Returns begin and end of the strings of the fields in a line."""
        begin = _skip(text, 0)
        try:
            row = _DECODER.decode(text)
            if isinstance(row, dict):
                return list(_object_strings(text, begin, self.fields, []))
            reason = f"it is {_kind(text, begin)}"
        except json.JSONDecodeError as error:
            reason = f"{error.msg} at character {error.pos + 1}"
        except RecursionError:
            reason = "it is nested too deeply"
        except _FieldError as error:
            raise self._field_error(number, row, error) from None
        raise ValueError(
            "Each line must be one JSON object. "
            f"Received: {self.path}:{number} ({reason}). Correct or remove the line."
        )

    def _field_error(self, number, row, error):
        if error.kind is not None:
            return ValueError(
                "The value of --field must be a string, an array of strings or null. "
                f"Received: {self.path}:{number}, where {error.field!r} is "
                f"{error.kind}."
            )
        names = list(dict.fromkeys(_names(row)))
        return ValueError(
            f"--field names a field of each line. Received: {error.field!r} for "
            f"{self.path}:{number}, whose fields are {', '.join(names) or 'none'}."
            f"{did_you_mean(error.field, names)}"
        )

    def _passage(self, number, literal):
        return Passage(
            _encode(literal),
            _DECODER.decode(literal),
            number,
            self._string,
            self.wrapped,
        )

    def _string(self, text):
        return json.dumps(text, ensure_ascii=self._is_ascii).encode()

    @functools.cached_property
    def _is_ascii(self):
        return all(line.isascii() for number, line in self.lines() if number)


class _FieldError(Exception):
    """A field is missing, or, if `kind` says of what, its value is no text."""

    def __init__(self, field, kind=None):
        super().__init__(field)
        self.field = field
        self.kind = kind


def _object_strings(text, position, paths, above):
    """Yields begin and end of the strings at paths of the object at a position.

    Returns:
        The position behind the object.
    """
    missing = set(paths)
    position = _skip(text, position + 1)
    while text[position] != "}":
        key, position = _DECODER.raw_decode(text, position)
        position = _skip(text, _skip(text, position) + 1)  # behind the colon
        inner = []
        for path in paths:
            if path == key or path.startswith(f"{key}."):
                missing.discard(path)
                inner.append(path[len(key) + 1 :])
        position = yield from _value_strings(text, position, inner, [*above, key])
        position = _skip(text, position)
        if text[position] == ",":
            position = _skip(text, position + 1)
    for path in paths:
        if path in missing:
            raise _FieldError(".".join([*above, path]))
    return position + 1


def _value_strings(text, position, paths, above):
    """Yields as `_object_strings` does, for a value: `""` is the path to itself."""
    if not paths:
        return _DECODER.raw_decode(text, position)[1]
    first = text[position]
    if first == "[":
        position = _skip(text, position + 1)
        while text[position] != "]":
            position = yield from _value_strings(text, position, paths, above)
            position = _skip(text, position)
            if text[position] == ",":
                position = _skip(text, position + 1)
        return position + 1
    if first == "{" and "" not in paths:
        return (yield from _object_strings(text, position, paths, above))
    end = _DECODER.raw_decode(text, position)[1]
    if first == '"' and paths == [""]:
        yield position, end
    elif first != "n":
        missing = next(filter(None, paths), None)
        if missing is not None:
            raise _FieldError(".".join([*above, missing]))
        raise _FieldError(".".join(above), _kind(text, position))
    return end


def _skip(text, position):
    return _WHITE_SPACE.match(text, position).end()


def _encode(text):
    return text.encode("utf-8", "surrogateescape")


def _names(value, above=""):
    """Yields the dotted names of all that is no object, in order."""
    if isinstance(value, list):
        for item in value:
            yield from _names(item, above)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _names(item, f"{above}.{key}" if above else key)
    elif above:
        yield above


def _kind(text, position):
    """Returns what the JSON value at a position is."""
    kinds = {
        "{": "an object",
        "[": "an array",
        '"': "a string",
        "n": "null",
        "t": "true",
        "f": "false",
    }
    return kinds.get(text[position], "a number")
