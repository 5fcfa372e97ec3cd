"""Options with types and ranges, checked when they are set."""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

__all__ = ["Options", "RecipeError", "option", "rule", "unknown_key"]

_REQUIRED = dataclasses.MISSING
_Self = TypeVar("_Self", bound="Options")  # typing.Self is younger than Python 3.10
_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of texts",
}


class RecipeError(ValueError):
    """An invalid recipe; the message names the option and the remedy."""


def option(
    default: Any = _REQUIRED,
    *,
    help: str,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """Declares one field of an `Options` class, with the constraints on its value.

    Args:
        default: Default value; without one the option must be set.
        help: One-line description, written to recipe files.
        at_least: Inclusive lower bound.
        above: Exclusive lower bound.
        at_most: Inclusive upper bound.
        below: Exclusive upper bound.
        choices: The allowed values.

    Returns:
        A dataclass field.
    """
    limits = {
        "at least": at_least,
        "above": above,
        "at most": at_most,
        "below": below,
    }
    return dataclasses.field(
        default=default,
        metadata={
            "help": help,
            "limits": {
                word: bound for word, bound in limits.items() if bound is not None
            },
            "choices": choices,
        },
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Base of a recipe's sections: every field is checked when it is set.

    Fields are declared with `option` and have one of the types `bool`, `int`,
    `float`, `str`, `tuple[str, ...]`, or one of them `| None`.

    Raises:
        RecipeError: A value has the wrong type or is out of range.

    Example:
    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class CakeOptions(Options):
    ...     section = "cake"
    ...     eggs: int = option(3, help="Number of eggs.", at_least=1)
    >>> CakeOptions(eggs=0)
    Traceback (most recent call last):
    ...
    keras_attn.training.recipes.options.RecipeError: `cake.eggs` must be a whole number,
    at least 1. Received: cake.eggs=0.
    """

    section: ClassVar[str] = "options"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = self._checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @classmethod
    def from_values(cls: type[_Self], values: Mapping[str, Any]) -> _Self:
        """Builds the options from the values of a recipe file's section.

        There, the text `none` stands for `None`, which TOML cannot write.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        arguments = {}
        for name, value in values.items():
            if name not in fields:
                raise unknown_key(
                    f"{cls.section}.{name}", [f"{cls.section}.{key}" for key in fields]
                )
            is_none = value == "none" and _may_be_none(fields[name])
            arguments[name] = None if is_none else value
        for name, field in fields.items():
            if field.default is _REQUIRED and name not in arguments:
                raise RecipeError(
                    f"`{cls.section}.{name}` must be set: {rule(field)}. Received: a "
                    "recipe without it."
                )
        return cls(**arguments)

    @classmethod
    def parse(cls, name: str, text: str) -> Any:
        """Returns the value of a field that is written as `text` on a command line."""
        [field] = [field for field in dataclasses.fields(cls) if field.name == name]
        kind = _kind(field)
        if text == "none" and _may_be_none(field):
            return None
        if kind is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if kind is bool:
            return {"true": True, "false": False}.get(text.lower(), text)
        if kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                return text  # refused by the check of its type
        return text

    @classmethod
    def _checked(cls, field: dataclasses.Field, value: Any) -> Any:
        if value is None and _may_be_none(field):
            return None
        kind = _kind(field)
        if kind is float and type(value) is int:
            value = float(value)
        if kind is tuple and isinstance(value, list):
            value = tuple(value)
        fits = type(value) is kind
        if fits and kind is float:
            fits = math.isfinite(value)
        if fits and kind is tuple:
            fits = all(isinstance(part, str) for part in value)
        if not fits or not _within(field, value):
            key = f"{cls.section}.{field.name}"
            raise RecipeError(
                f"`{key}` must be {rule(field)}. Received: {key}={value!r}."
            )
        return value


def unknown_key(key: str, known: Iterable[str]) -> RecipeError:
    """Returns the error for an unknown key, with the nearest known one."""
    known = list(known)
    near = difflib.get_close_matches(key, known, n=1)
    if not near:
        # `dropout` alone is near no key, but it is the end of `model.dropout`.
        ends = {name.rpartition(".")[2]: name for name in known}
        last = key.rpartition(".")[2]
        near = [ends[end] for end in difflib.get_close_matches(last, ends, n=1)]
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return RecipeError(
        f"A recipe has no such key. Received: `{key}`.{hint} Known keys: "
        f"{', '.join(known)}."
    )


def _kind(field: dataclasses.Field) -> type:
    kinds = [kind for kind in _alternatives(field) if kind is not types.NoneType]
    return typing.get_origin(kinds[0]) or kinds[0]


def _may_be_none(field: dataclasses.Field) -> bool:
    return types.NoneType in _alternatives(field)


def _alternatives(field: dataclasses.Field) -> tuple[Any, ...]:
    if isinstance(field.type, types.UnionType):
        return typing.get_args(field.type)
    return (field.type,)


def _within(field: dataclasses.Field, value: Any) -> bool:
    choices = field.metadata["choices"]
    if choices is not None and value not in choices:
        return False
    tests = {
        "at least": lambda limit: value >= limit,
        "above": lambda limit: value > limit,
        "at most": lambda limit: value <= limit,
        "below": lambda limit: value < limit,
    }
    return all(tests[word](limit) for word, limit in field.metadata["limits"].items())


def rule(field: dataclasses.Field) -> str:
    """Returns the constraints on the value of a field as text."""
    choices = field.metadata["choices"]
    text = _TYPE_NAMES[_kind(field)]
    if choices is not None:
        text = "one of " + ", ".join(map(repr, choices))
    for word, limit in field.metadata["limits"].items():
        text += f", {word} {limit}"
    if _may_be_none(field):
        text += ", or none"
    return text
