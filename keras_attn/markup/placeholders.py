"""Placeholders in texts: what is no language and comes back as it is."""

import re
from collections.abc import Iterable, Sequence

__all__ = ["PLACEHOLDERS", "compile_placeholders", "find_matches"]

# Characters of a URL; in HTML and XML, `<`, `>` and quotes may be written as entities.
_URL = r"(?:(?!&(?:lt|gt|quot|apos|nbsp|#\w+);)[^\s<>\"{}|\\^`])"
_URL_END = r"(?<![.,;:!?'\")\]])"

# No two parts of a pattern that repeat can match the same characters, and e-mail
# addresses begin at the beginning of a word: the time is linear.
PLACEHOLDERS = (
    # `{{name}}` of templates; `{}`, `{0}`, `{user.name!r:>8}`, `{0, date}` of Python,
    # .NET and Java; `${name}` of shells and JavaScript.
    r"\{\{[^{}\n]{1,200}\}\}",
    r"\$?\{(?:[\w.\-]+(?:\[\w+\])*)?(?:![rsa])?(?::[^{}\s]*|,[^{}]*)?\}",
    # `%s`, `%5.2f`, `%1$d`, `%(name)s`, `%%` of C, Python, Java, PHP and Objective-C.
    r"(?<!\d)%(?:\d{1,3}\$|\(\w+\))?[\-+#0]{0,5}(?:\d{1,3}|\*)?(?:\.(?:\d{1,3}|\*))?"
    r"(?:hh?|ll?|[Lzjt])?[diouxXeEfFgGaAcrsp@]",
    r"%%",
    rf"(?<!\w)(?:(?:https?|ftp)://|mailto:|www\.){_URL}+{_URL_END}",
    r"(?<![\w.+\-])[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+",
)


def compile_placeholders(patterns: Iterable[str]) -> list[re.Pattern[str]]:
    """Compiles the patterns of placeholders.

    Raises:
        TypeError: If `patterns` is a single string or holds anything but strings.
        ValueError: If one is no regular expression.
    """
    if isinstance(patterns, str):
        raise TypeError(
            "`placeholders` must be several regular expressions. Received: a single "
            f"str, placeholders={patterns!r}. For one pass a list of one."
        )
    compiled = []
    for row, pattern in enumerate(patterns):
        if not isinstance(pattern, str):
            raise TypeError(
                "Each of `placeholders` must be a `str`. Received: "
                f"placeholders[{row}]={pattern!r} of type {type(pattern).__name__}."
            )
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise ValueError(
                "Each of `placeholders` must be a regular expression. Received: "
                f"placeholders[{row}]={pattern!r}: {error}."
            ) from error
    return compiled


def find_matches(
    patterns: Sequence[re.Pattern[str]], text: str, begin: int, end: int
) -> list[tuple[int, int, int]]:
    """Returns begin, end and pattern number of what matches in a part of a text.

    Matches do not overlap: the one that begins first counts, then the first pattern.
    """
    matches = sorted(
        (match.start(), number, match.end())
        for number, pattern in enumerate(patterns)
        for match in pattern.finditer(text, begin, end)
        if match[0]
    )
    matched: list[tuple[int, int, int]] = []
    for first, number, stop in matches:
        if not matched or first >= matched[-1][1]:
            matched.append((first, stop, number))
    return matched
