"""Attention as a matplotlib figure, made without pyplot and its global state."""

import functools
import os
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from keras_attn.plotting.grid import AttentionGrid, attention_grid
from keras_attn.translation import Translation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_attention", "save_attention_png"]

_CELL_INCHES = 0.36
_MAX_MAP_INCHES = 30.0  # beyond it cells and labels shrink, not memory grows
_BASE_FONT = "DejaVu Sans"  # comes with matplotlib
_REPLACEMENT = "\u25a1"  # what a reader knows as "no glyph for this"
_INK = "#1d2b45"


def plot_attention(
    translation: Translation, *, words: bool = True, title: str | None = None
) -> "Figure":
    """Draws attention as a heat map: target words down, source words across.

    Darkness is proportional to weight: white is 0, the darkest blue 1, in even
    steps of perceived lightness. The figure grows with the sentence. Characters that no
    installed font can draw are shown as a box.

    Args:
        translation: What to draw.
        words: Whether to merge subwords into words; otherwise a row and a column a
            token.
        title: Text over the map, or `None` for none.

    Returns:
        A figure on an Agg canvas that belongs to the caller: `pyplot` does not know
        it, and there is nothing to close.

    Raises:
        ValueError: If tokens and attention do not fit together.
        ImportError: If matplotlib is not installed.
    """
    grid = attention_grid(translation, words=words)
    Figure, Canvas = _import_matplotlib()
    rows, columns = grid.weights.shape
    cell = min(_CELL_INCHES, _MAX_MAP_INCHES / max(rows, columns))
    texts = [*grid.targets, *grid.sources, *grid.notes, title or ""]
    families, missing = _fonts_for(frozenset("".join(texts)))
    font = {
        "fontfamily": families,
        "fontsize": 11 * cell / _CELL_INCHES,
        "parse_math": False,
        "usetex": False,
        "color": _INK,
    }
    figure = Figure(figsize=(columns * cell, rows * cell), facecolor="white")
    Canvas(figure)
    axes = figure.add_axes((0, 0, 1, 1))  # exactly the cells; labels stand outside
    mesh = _draw_cells(axes, grid)
    _draw_labels(axes, grid, font, missing)
    if not grid.is_blank:
        _draw_scale(figure, mesh, cell, (rows, columns))
    _draw_texts(axes, grid, title, font, missing)
    return figure


def save_attention_png(
    translation: Translation,
    path: str | os.PathLike,
    *,
    words: bool = True,
    title: str | None = None,
    dpi: int = 150,
) -> None:
    """Writes the heat map of `plot_attention` as a PNG file.

    Args:
        translation: What to draw.
        path: File to write; its folder must exist.
        words: As in `plot_attention`.
        title: As in `plot_attention`.
        dpi: Dots per inch; a cell is 0.36 inches wide.

    Raises:
        ValueError: If tokens and attention do not fit together.
        ImportError: If matplotlib is not installed.
        OSError: If the file cannot be written.
    """
    figure = plot_attention(translation, words=words, title=title)
    figure.savefig(path, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.2)


def _draw_cells(axes, grid):
    mesh = axes.pcolormesh(
        grid.weights,
        cmap=_white_to_blue(),
        vmin=0.0,
        vmax=1.0,
        edgecolors="#e6eaf1",
        linewidth=0.6,
    )
    axes.invert_yaxis()
    for spine in axes.spines.values():
        spine.set_color("#c3cbd9")
    return mesh


def _draw_labels(axes, grid: AttentionGrid, font, missing):
    rows, columns = grid.weights.shape
    axes.tick_params(length=0, pad=4)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(columns) + 0.5)
    axes.set_yticks(np.arange(rows) + 0.5)
    axes.set_xticklabels(
        [_drawable(label, missing) for label in grid.sources],
        rotation=50,
        ha="left",
        va="bottom",
        rotation_mode="anchor",
        **font,
    )
    axes.set_yticklabels([_drawable(label, missing) for label in grid.targets], **font)


def _draw_scale(figure, mesh, cell, shape):
    """Draws the key beside the map: as high as the map, but never a tower."""
    rows, columns = shape
    height = min(1.0, 8 / rows)
    axes = figure.add_axes((1 + 0.7 / columns, 1 - height, 0.35 / columns, height))
    scale = figure.colorbar(mesh, cax=axes, ticks=[0, 0.5, 1])
    scale.outline.set_edgecolor("#c3cbd9")
    scale.ax.tick_params(
        length=0,
        labelsize=9 * cell / _CELL_INCHES,
        labelcolor=_INK,
        labelfontfamily=_BASE_FONT,
    )


def _draw_texts(axes, grid: AttentionGrid, title, font, missing):
    """Places the title over the labels and the notes under the map."""
    if title:
        axes.set_title(
            _drawable(title, missing),
            **{**font, "fontsize": 13},
            fontweight="bold",
            loc="left",
            pad=12,
        )
    notes = list(grid.notes)
    if grid.is_blank:
        notes.insert(0, "No attention to draw: every weight is zero.")
    if notes:
        axes.annotate(
            "\n".join(_drawable(note, missing) for note in notes),
            (0, 0),
            xytext=(0, -8),
            xycoords="axes fraction",
            textcoords="offset points",
            va="top",
            annotation_clip=False,
            **{**font, "fontsize": 9},
        )


@functools.cache
def _white_to_blue():
    """Returns colours from white to dark blue in even steps of lightness in Oklab.

    Reference: Ottosson, 2020, "A perceptual color space for image processing".
    """
    from matplotlib.colors import ListedColormap

    steps = np.linspace(0.0, 1.0, 256)
    chroma = 0.1 * steps + 0.11 * steps * (1 - steps) * 2  # most in the middle
    hue = np.deg2rad(256.0)
    oklab = [1 - 0.68 * steps, chroma * np.cos(hue), chroma * np.sin(hue)]
    return ListedColormap(_oklab_to_srgb(np.stack(oklab, axis=1)))


def _oklab_to_srgb(oklab):
    to_cone_roots = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip((oklab @ to_cone_roots.T) ** 3 @ to_linear.T, 0.0, 1.0)
    curved = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curved)


def _fonts_for(chars):
    """Returns font families that together draw `chars`, and what none can draw.

    Matplotlib warns of each glyph that it misses, at every drawing; looking first is
    the only way to have neither the warning nor a filter for the whole process.
    """
    from matplotlib import font_manager

    missing = {char for char in chars if char not in "\n "}
    families = [_BASE_FONT]
    base = font_manager.findfont(_BASE_FONT)
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


def _drawable(label, missing):
    """Returns `label` with a box for each glyph that no font has."""
    shown = []
    for char in label:
        if char not in missing:
            shown.append(char)
        elif unicodedata.category(char) not in {"Cf", "Mn", "Me"}:
            shown.append(_REPLACEMENT)
    return "".join(shown)


def _import_matplotlib():
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Pictures of attention are drawn by matplotlib, which is not installed. "
            "Install it with: pip install 'keras-attn[plot]'."
        ) from error
    return Figure, FigureCanvasAgg
