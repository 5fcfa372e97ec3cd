"""Writes the section of each command in commands.md: `python docs/update_commands.py`.

Sections are made from the functions of the commands, as `keras-attn COMMAND --help` is.
"""

import enum
import inspect
import re
import sys
import types
import typing
from pathlib import Path

from typer.models import OptionInfo

from keras_attn.cli import load_commands

__all__ = ["update_commands"]

PAGE = Path(__file__).with_name("commands.md")
_BEGIN, _END = "<!-- commands:begin -->", "<!-- commands:end -->"
_KINDS = {int: "N", float: "X", str: "TEXT", Path: "PATH"}


def update_commands(page):
    """Returns the text of the page with the current commands and options."""
    parts = [_section(name, function) for name, function in load_commands().items()]
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return f"{before}{begin}\n" + "\n".join(parts) + f"{end}{after}"


def _section(name, function):
    about, _, examples = inspect.cleandoc(function.__doc__).partition("\n\nExample")
    lines = [f"## {name}", "", about, ""]
    if examples:
        calls = examples.partition(": ")[2].split("\n\n")
        lines += [
            "```bash",
            *(" \\\n    ".join(c.split("\n")) for c in calls),
            "```",
            "",
        ]
    hints = typing.get_type_hints(function, include_extras=True)
    lines += ["| takes | what | default |", "|---|---|---|"]
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "as_json":
            continue  # the same for all commands; see Streams
        kind, info = typing.get_args(hints[parameter.name])
        lines.append(_row(parameter, kind, info))
    return "\n".join([*lines, ""])


def _row(parameter, kind, info):
    if isinstance(info, OptionInfo):
        names = [name for name in (info.default, *info.param_decls) if name is not ...]
        names = names or ["--" + parameter.name.replace("_", "-")]
        value = f" {_kind(kind)}".rstrip()
    else:
        names = [re.sub(r"[\[\]]", "", info.metavar or parameter.name.upper())]
        value = ""
    takes = ", ".join(f"`{name}{value}`" for name in sorted(names, key=len)[::-1])
    default = _default(parameter.default, info.show_default)
    return (
        " | ".join([f"| {takes}", (info.help or "").replace("|", "\\|"), default])
        + " |"
    )


def _kind(kind):
    """Returns the placeholder of an option's value; empty for a switch."""
    if kind is bool:
        return ""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        [kind] = [part for part in typing.get_args(kind) if part is not type(None)]
    if typing.get_origin(kind) is tuple:
        return " ".join(map(_kind, typing.get_args(kind)))
    if typing.get_origin(kind) is list:
        [kind] = typing.get_args(kind)
    if issubclass(kind, enum.Enum):
        return ", ".join(member.value for member in kind)
    return _KINDS[kind]


def _default(value, shown):
    if isinstance(shown, str):
        return shown
    if value in (..., inspect.Parameter.empty):
        return "required"
    if value is None or value is False:
        return ""
    values = value if isinstance(value, tuple) else [value]
    return " ".join(f"`{value}`" for value in values)


if __name__ == "__main__":
    text = update_commands(PAGE.read_text(encoding="utf-8"))
    if _BEGIN not in text or _END not in text:
        sys.exit(f"{PAGE.name} lacks {_BEGIN} or {_END}.")
    PAGE.write_text(re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE), encoding="utf-8")
