"""YAML of plain values, without another dependency."""

import json
import re
from typing import Any

__all__ = ["to_yaml"]

# What every version of YAML reads as this very text; all else is quoted.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"}


def to_yaml(value: Any) -> str:
    r"""Writes a mapping as YAML, in its own order.

    Args:
        value: Mappings with text as keys, lists, text, numbers, booleans and `None`.

    Example:

    >>> print(to_yaml({"ports": ["8500:8500"], "tls": False, "note": "a\nb\n"}))
    ports:
      - "8500:8500"
    tls: false
    note: |
      a
      b
    """
    return "\n".join(_lines(value)) + "\n"


def _lines(value):
    for key, each in value.items():
        yield from _entry(f"{_scalar(key)}:", each)


def _entry(head, value):
    if isinstance(value, dict) and value:
        yield head
        yield from _indented(_lines(value))
    elif isinstance(value, list | tuple) and value:
        yield head
        for each in value:
            yield from _indented(_item(each))
    elif isinstance(value, str) and _is_block(value):
        yield f"{head} |"
        yield from _indented(value.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_scalar(value)}"


def _item(value):
    if not isinstance(value, dict) or not value:
        yield from _entry("-", value)
        return
    first, *rest = _lines(value)
    yield f"- {first}"
    yield from _indented(rest)


def _indented(lines):
    return (f"  {line}" if line else "" for line in lines)


def _is_block(text):
    """Whether a text is plain lines, ended by one line break."""
    lines = text.split("\n")
    return (
        len(lines) > 2
        and not lines[-1]
        and bool(lines[-2])
        and lines[0][:1] not in ("", " ")
        and all(line.isascii() and line.isprintable() for line in lines)
    )


def _scalar(value):
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(c if " " <= c <= "~" else f"\\U{ord(c):08x}" for c in quoted)
