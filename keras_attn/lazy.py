"""Packages whose names are imported when they are first used."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Returns `__all__`, `__getattr__` and `__dir__` of a package.

    Importing such a package costs nothing, so that its light modules work where its
    heavy ones, or what those need, are not installed.

    Args:
        package: Its `__name__`.
        homes: Each public name and the module that defines it.
    """
    names = sorted(homes)

    def getattr_(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    return names, getattr_, lambda: names
