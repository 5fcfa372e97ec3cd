"""Old names that go on working, with a warning that tells the new ones."""

import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["renamed_method", "warn_of_rename"]


def warn_of_rename(old: str, new: str, stacklevel: int = 3) -> None:
    """Warns that `old` is now called `new`.

    Args:
        old: The name in 0.1.0.
        new: The name to use.
        stacklevel: Frames up to the code that uses the old name.
    """
    warnings.warn(f"`{old}` is now `{new}`.", DeprecationWarning, stacklevel=stacklevel)


def renamed_method(old: str, new: str) -> Callable[..., Any]:
    """Returns a method that warns of its old name and calls the method `new`.

    Example:

    >>> class Model:
    ...     def encode(self, ids):
    ...         return ids
    ...     read = renamed_method("read", "encode")
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     Model().read([3]), str(caught[0].message)
    ([3], '`Model.read` is now `Model.encode`.')
    """

    def method(self, *args, **options):
        name = type(self).__name__
        warn_of_rename(f"{name}.{old}", f"{name}.{new}")
        return getattr(self, new)(*args, **options)

    method.__name__ = old
    method.__doc__ = f"Old name of `{new}`."
    return method
