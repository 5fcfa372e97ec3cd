"""Updates the line numbers in formulas.md: `python docs/update_formulas.py`.

A table row ends with a link to a line and the code of that line. When lines move, they
are found by their code. When the code itself has changed, this fails, and someone must
check that the formula is still true.
"""

import re
from pathlib import Path

__all__ = ["update_lines"]

PAGE = Path(__file__).with_name("formulas.md")
_ROW_END = re.compile(
    r"\[[\w.]+:\d+\]\(([\w./]+)#L\d+\) \| `([^`]+)` \|$", re.MULTILINE
)


def update_lines(page):
    """Returns the text of the page with current line numbers.

    Raises:
        ValueError: If the code of a row is on no line of its file, or on several.
    """
    return _ROW_END.sub(_update_row_end, page)


def _update_row_end(match):
    path, code = match.groups()
    lines = (PAGE.parent / path).read_text(encoding="utf-8").splitlines()
    numbers = [number for number, line in enumerate(lines, 1) if code in line]
    if len(numbers) != 1:
        raise ValueError(
            f"The code of a formula must be on one line of {path}. "
            f"Received: {code!r}, on the lines {numbers}."
        )
    [number] = numbers
    return f"[{Path(path).name}:{number}]({path}#L{number}) | `{code}` |"


if __name__ == "__main__":
    PAGE.write_text(update_lines(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
