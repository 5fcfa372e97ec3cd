"""A hint for a name that is not known."""

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Returns a sentence that names the nearest known name, or `""` if none is near.

    It begins with a blank, to follow another sentence.

    Example:

    >>> did_you_mean("gro", ["gru", "lstm"]), did_you_mean("x", ["gru", "lstm"])
    (" Did you mean 'gru'?", '')
    """
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
