"""Mends the line numbers of formulas.md: `python docs/update_formulas.py`.

A row of its tables ends with a link to a line and with a piece of the code that stands
on that line. When lines move, the code says where they went; when the code itself has
changed, this refuses, and somebody must look whether the formula is still true.
"""

import re
from pathlib import Path

__all__ = ["mended"]

PAGE = Path(__file__).with_name("formulas.md")
_ROW_END = re.compile(
    r"\[[\w.]+:\d+\]\(([\w./]+)#L\d+\) \| `([^`]+)` \|$", re.MULTILINE
)


def mended(page):
    """Returns the text of the page with every link to the line of its code.

    Raises:
        ValueError: If a piece of code stands on no line of its file, or on several.
    """
    return _ROW_END.sub(_mended_row_end, page)


def _mended_row_end(match):
    path, code = match.groups()
    lines = (PAGE.parent / path).read_text(encoding="utf-8").splitlines()
    numbers = [number for number, line in enumerate(lines, 1) if code in line]
    if len(numbers) != 1:
        raise ValueError(
            f"The code of a formula must stand on one line of {path}. "
            f"Received: {code!r}, on the lines {numbers}."
        )
    [number] = numbers
    return f"[{Path(path).name}:{number}]({path}#L{number}) | `{code}` |"


if __name__ == "__main__":
    PAGE.write_text(mended(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
