"""Attention or alignment as text: a map of shaded cells for terminals and logs.

Every label ends its line, so a terminal that disagrees about the width of a
character, joins an emoji or writes from right to left cannot shift the map.
"""

import os
import shutil
import sys
import unicodedata

import numpy as np

from keras_attn.plotting.grid import AttentionGrid, attention_grid, sentences_to_draw
from keras_attn.translation import Translation

__all__ = ["attention_text", "display_width"]

_CELL = 2  # terminal columns: about as wide as a line is high
_MIN_WIDTH = 24
_LEFT_TO_RIGHT_MARK = "\u200e"
# Greatest weight that a sign stands for, and the sign.
_SHADES = ((0.05, "· "), (0.25, "░░"), (0.5, "▒▒"), (0.75, "▓▓"), (1.0, "██"))
_SHADES_KEY = "· under 5 %  ░░ to 25 %  ▒▒ to 50 %  ▓▓ to 75 %  ██ to 100 %"
_DIGITS_KEY = "digits are tenths: 4 is 40 %; . under 5 %, # 95 % or more"


def attention_text(
    translation: Translation,
    *,
    words: bool = True,
    width: int | None = None,
    color: bool | None = None,
    ascii_only: bool | None = None,
    show: str | None = None,
) -> str:
    """Draws attention or alignment as lines of text.

    Source words stand as steps above their columns, target words beside their
    rows. A sentence too long for `width` continues in further panels, and a word too
    long for a panel on further lines: nothing is cut. Each sentence of a text has a
    map of its own.

    Args:
        translation: What to draw.
        words: Whether to merge subwords into words; otherwise a row and a column a
            token.
        width: Columns of text to stay within, at least 24; `None`: the terminal's,
            or 80.
        color: Whether to mark the greatest weight of each row by escape sequences;
            `None`: if standard output is a terminal and `NO_COLOR` is not set.
        ascii_only: Whether to draw with ASCII signs (labels stay as they are);
            `None`: if standard output cannot encode block characters.
        show: `"attention"`: where the decoder looked; `"alignment"`: what each word
            translates, the last column being "no source"; `None`: the alignment if
            the translation has one. Of two maps a last line says which is drawn.

    Returns:
        The lines, without a line break at the end.

    Raises:
        ValueError: If tokens and weights do not fit together, or `show` names no map
            of the translation.

    Example:

    >>> from keras_attn.translation import Token
    >>> import numpy as np
    >>> answer = Translation(
    ...     source="Ein Hund", text="A dog", score=-0.5,
    ...     source_tokens=(
    ...         Token("▁Ein", 0, 3), Token("▁Hund", 4, 8), Token("</s>", 8, 8)
    ...     ),
    ...     target_tokens=(
    ...         Token("▁A", 0, 1), Token("▁dog", 2, 5), Token("</s>", 5, 5)
    ...     ),
    ...     token_scores=np.float32([-0.25, -0.125, -0.125]),
    ...     attention=np.float32([[0.9, 0.1, 0], [0.2, 0.8, 0], [0, 0.3, 0.7]]),
    ... )
    >>> print(attention_text(answer, words=False, color=False, ascii_only=True))
    , _Ein
    | , _Hund
    | | , </s>
    9 1 .  _A
    2 8 .  _dog
    . 3 7  </s>
    digits are tenths: 4 is 40 %; . under 5 %, # 95 % or more
    """
    if width is None:
        width = shutil.get_terminal_size().columns
    if color is None:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    if ascii_only is None:
        ascii_only = not _can_encode("█╷│", getattr(sys.stdout, "encoding", None))
    lines: list[str] = []
    notes: list[str] = []
    grids = [
        attention_grid(part, words=words, show=show)
        for part in sentences_to_draw(translation, show)
    ]
    for grid in grids:
        lines += [""] * bool(lines)
        if grid.is_blank:
            lines.append("No attention to draw: every weight is zero.")
        else:
            lines += _draw(grid, max(int(width), _MIN_WIDTH), color, ascii_only)
        notes += grid.notes
    if not all(grid.is_blank for grid in grids):
        lines.append(_DIGITS_KEY if ascii_only else _SHADES_KEY)
    if grids[0].caption:
        lines.append(grids[0].caption)
    return "\n".join([*lines, *notes])


def display_width(text: str) -> int:
    """Returns how many terminal columns `text` takes, to a good approximation.

    Args:
        text: Printable text in any script.

    Returns:
        Two columns for each wide character (East Asian, emoji), none for combining
        marks and for what a zero-width joiner joins, one for all others.

    Example:

    >>> display_width("Bär"), display_width("Ba\u0308r"), display_width("熊")
    (3, 3, 2)
    """
    return sum(_char_widths(text))


def _draw(grid: AttentionGrid, width, color, ascii_only):
    """Returns the panels of a map, one below the other."""
    # Beside few columns labels may be long, beside many they get half the width.
    label_width = max(width // 2, width - _CELL * len(grid.sources)) - 1
    mark = "_" if ascii_only else "▁"  # of subwords that begin a word
    sources, targets = (
        [_fold(label.replace("▁", mark), label_width) for label in labels]
        for labels in (grid.sources, grid.targets)
    )
    panels = _panels(sources, targets, width)
    lines: list[str] = []
    for begin, end in panels:
        if len(panels) > 1:
            lines += [""] * bool(lines)
            lines.append(f"source {begin + 1} to {end} of {len(sources)}")
        lines += _header(sources[begin:end], color, ascii_only)
        for label, row in zip(targets, grid.weights, strict=True):
            cells = _cells(row, begin, end, color, ascii_only)
            lines += _row(label, cells, end - begin)
    return lines


def _panels(sources, targets, width):
    """Splits the columns so that each panel is at most `width` wide."""
    beside = max(display_width(line) for label in targets for line in label)
    most = max(1, (width - beside - 1) // _CELL)
    panels, begin = [], 0
    while begin < len(sources):
        end = begin
        while end < len(sources) and end - begin < most:
            step = _CELL * (end - begin + 1)
            # A column's own label must end within the panel, too.
            if end > begin and step + max(map(display_width, sources[end])) > width:
                break
            end += 1
        panels.append((begin, end))
        begin = end
    return panels


def _header(sources, color, ascii_only):
    """Returns a staircase: one line a label, above the column that it names."""
    stem, top = ("| ", ", ") if ascii_only else ("│ ", "╷ ")
    lines = []
    for column, label in enumerate(sources):
        first, *rest = label
        stems = [(_dim(stem * column + top, color), first)]
        stems += [(_dim(stem * (column + 1), color), line) for line in rest]
        lines += [_join(left, text) for left, text in stems]
    return lines


def _row(label, cells, count):
    first, *rest = label
    below = " " * (_CELL * count + 1)
    return [_join(cells + " ", first), *(_join(below, line) for line in rest)]


def _cells(row, begin, end, color, ascii_only):
    cells = [_digit(value) if ascii_only else _shade(value) for value in row]
    if color and row.max() > 0:
        best = int(np.argmax(row))
        cells[best] = f"\x1b[1;36m{cells[best]}\x1b[0m"
    return "".join(cells[begin:end])


def _shade(value):
    return next((sign for limit, sign in _SHADES if value <= limit), _SHADES[-1][1])


def _digit(value):
    if value < 0.05:
        return ". "
    return "# " if value >= 0.95 else f"{int(value * 10 + 0.5)} "


def _join(left, label):
    """Puts a label after its cells, in that order even if it runs right to left."""
    runs_left = any(unicodedata.bidirectional(char) in {"R", "AL"} for char in label)
    return (_LEFT_TO_RIGHT_MARK if runs_left else "") + left + label


def _dim(text, color):
    return f"\x1b[2m{text}\x1b[0m" if color else text


def _fold(label, width):
    """Cuts a label into lines of at most `width` columns, marks kept with letters."""
    lines, line, used = [], "", 0
    for char, columns in zip(label, _char_widths(label), strict=True):
        if columns and line and used + columns > width:
            lines.append(line)
            line, used = "", 0
        line, used = line + char, used + columns
    return [*lines, line]


def _char_widths(text):
    widths, joined = [], False
    for char in text:
        category = unicodedata.category(char)
        tone = widths and "\U0001f3fb" <= char <= "\U0001f3ff"  # colours an emoji
        if tone or (joined and category == "So") or category in {"Mn", "Me", "Cf"}:
            widths.append(0)
        else:
            widths.append(2 if unicodedata.east_asian_width(char) in "WF" else 1)
        joined = char == "\u200d"
    return widths


def _can_encode(signs, encoding):
    try:
        signs.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
