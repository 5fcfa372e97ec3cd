"""Which fonts draw a text, and what to show for what none of them has."""

import functools
import unicodedata
import warnings
from collections.abc import Collection, Iterable

__all__ = [
    "BASE_FONT",
    "MissingGlyphWarning",
    "drawable",
    "fonts_for",
    "warn_of_missing",
]

BASE_FONT = "DejaVu Sans"  # comes with matplotlib
_REPLACEMENT = "\u25a1"  # what a reader knows as "no glyph for this"


class MissingGlyphWarning(UserWarning):
    """Characters are drawn as boxes, since no installed font has them.

    The warning names them; `warnings.simplefilter("ignore", MissingGlyphWarning)` is
    for those who know.
    """


def fonts_for(chars: Iterable[str]) -> tuple[list[str], frozenset[str]]:
    """Returns font families that together draw `chars`, and what none can draw.

    Matplotlib warns of each glyph that it misses, at every drawing; looking first is
    the only way to have neither the warning nor a filter for the whole process.
    """
    from matplotlib import font_manager

    missing = {char for char in chars if char not in "\n "}
    families = [BASE_FONT]
    base = font_manager.findfont(BASE_FONT)
    missing -= _glyphs(base)
    if missing:
        for entry in font_manager.fontManager.ttflist:
            # Last Resort "draws" every character, as a picture of its script.
            if entry.name.startswith("Last Resort") or not _is_upright(entry):
                continue
            drawn = missing & _glyphs(entry.fname)
            if drawn:
                families.append(entry.name)
                missing -= drawn
            if not missing:
                break
    return families, frozenset(missing)


def _is_upright(entry):
    return entry.style == "normal" and entry.weight in (400, "normal", "regular")


@functools.lru_cache(maxsize=256)
def _glyphs(path):
    from matplotlib.ft2font import FT2Font

    return frozenset(map(chr, FT2Font(path).get_charmap()))


def warn_of_missing(missing: Iterable[str]) -> None:
    """Warns of characters that become boxes, if there are any, by their names."""
    boxes = sorted(char for char in missing if not _is_skipped(char))
    if not boxes:
        return
    first = ", ".join(f"{char} (U+{ord(char):04X})" for char in boxes[:5])
    more = f" and {len(boxes) - 5} more" if len(boxes) > 5 else ""
    warnings.warn(
        f"No installed font draws {first}{more}: boxes stand for them. Install one "
        "that does, such as a Noto font of the script, and delete matplotlib's font "
        "cache (`matplotlib.get_cachedir()` says where).",
        MissingGlyphWarning,
        stacklevel=3,  # whoever asked for the figure
    )


def _is_skipped(char):
    """Whether a character is nothing to be seen by itself: left out, not a box."""
    return unicodedata.category(char) in {"Cf", "Mn", "Me"}


def drawable(label: str, missing: Collection[str]) -> str:
    """Returns `label` with a box for each glyph that no font has."""
    shown = []
    for char in label:
        if char not in missing:
            shown.append(char)
        elif not _is_skipped(char):
            shown.append(_REPLACEMENT)
    return "".join(shown)
