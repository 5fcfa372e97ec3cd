"""Writes what commands.md says of each command: `python docs/update_commands.py`.

It is read off the functions of the commands, as `keras-attn COMMAND --help` is.
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

__all__ = ["filled"]

PAGE = Path(__file__).with_name("commands.md")
_BEGIN, _END = "<!-- commands:begin -->", "<!-- commands:end -->"
_KINDS = {int: "N", float: "X", str: "TEXT", Path: "PATH"}


def filled(page):
    """Returns the text of the page with the commands as they are now."""
    commands = {
        each.name: each.callback for each in load_commands().registered_commands
    }
    parts = [_section(name, function) for name, function in commands.items()]
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
        kind, info = typing.get_args(hints[parameter.name])
        lines.append(_row(parameter, kind, info))
    return "\n".join([*lines, ""])


def _row(parameter, kind, info):
    if isinstance(info, OptionInfo):
        names = [each for each in (info.default, *info.param_decls) if each is not ...]
        names = names or ["--" + parameter.name.replace("_", "-")]
        value = f" {_kind(kind)}".rstrip()
    else:
        names = [(info.metavar or parameter.name.upper()).strip("[]")]
        value = ""
    shown = ", ".join(f"`{name}{value}`" for name in sorted(names, key=len)[::-1])
    default = _default(parameter.default, info.show_default)
    return (
        " | ".join([f"| {shown}", (info.help or "").replace("|", "\\|"), default])
        + " |"
    )


def _kind(kind):
    """Returns what stands behind an option's name; nothing for one that is a switch."""
    if kind is bool:
        return ""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        [kind] = [each for each in typing.get_args(kind) if each is not type(None)]
    if typing.get_origin(kind) is tuple:
        return " ".join(map(_kind, typing.get_args(kind)))
    if typing.get_origin(kind) is list:
        [kind] = typing.get_args(kind)
    if issubclass(kind, enum.Enum):
        return ", ".join(each.value for each in kind)
    return _KINDS[kind]


def _default(value, shown):
    if isinstance(shown, str):
        return shown
    if value in (..., inspect.Parameter.empty):
        return "required"
    if value is None or value is False:
        return ""
    values = value if isinstance(value, tuple) else [value]
    return " ".join(f"`{each}`" for each in values)


if __name__ == "__main__":
    text = filled(PAGE.read_text(encoding="utf-8"))
    if _BEGIN not in text or _END not in text:
        sys.exit(f"{PAGE.name} lacks {_BEGIN} or {_END}.")
    PAGE.write_text(re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE), encoding="utf-8")
