"""Attention or alignment as a matplotlib figure, without pyplot's global state."""

import os
from typing import TYPE_CHECKING

import numpy as np

from keras_attn.plotting.colours import white_to_blue
from keras_attn.plotting.fonts import BASE_FONT, drawable, fonts_for, warn_of_missing
from keras_attn.plotting.grid import AttentionGrid, attention_grid
from keras_attn.translation import Translation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_attention", "save_attention_png"]

_CELL_INCHES = 0.36
_MAX_MAP_INCHES = 30.0  # beyond it cells and labels shrink, not memory grows
_INK = "#1d2b45"


def plot_attention(
    translation: Translation,
    *,
    words: bool = True,
    title: str | None = None,
    show: str | None = None,
) -> "Figure":
    """Draws attention or alignment as a heat map: target words down, source across.

    Darkness is proportional to weight: white is 0, the darkest blue 1, in even
    steps of perceived lightness. The figure grows with the sentence. Characters that no
    installed font can draw are shown as a box, with a `MissingGlyphWarning`. Letters of
    a label stand as its script has them, Arabic and Hebrew from the right, where
    matplotlib is 3.11 or later.

    Args:
        translation: What to draw.
        words: Whether to merge subwords into words; otherwise a row and a column a
            token.
        title: Text over the map, or `None` for none.
        show: `"attention"`: where the decoder looked; `"alignment"`: what each word
            translates, the last column being "no source"; `None`: the alignment if
            the translation has one. Of two maps a line below says which is drawn.

    Returns:
        A figure on an Agg canvas that belongs to the caller: `pyplot` does not know
        it, and there is nothing to close.

    Raises:
        ValueError: If tokens and weights do not fit together, or `show` names no map
            of the translation.
        ImportError: If matplotlib is not installed.
    """
    grid = attention_grid(translation, words=words, show=show)
    Figure, Canvas = _import_matplotlib()
    rows, columns = grid.weights.shape
    cell = min(_CELL_INCHES, _MAX_MAP_INCHES / max(rows, columns))
    texts = [*grid.targets, *grid.sources, *grid.notes, grid.caption, title or ""]
    families, missing = fonts_for(frozenset("".join(texts)))
    warn_of_missing(missing)
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
    path: str | os.PathLike[str],
    *,
    words: bool = True,
    title: str | None = None,
    dpi: int = 150,
    show: str | None = None,
) -> None:
    """Writes the heat map of `plot_attention` as a PNG file.

    Args:
        translation: What to draw.
        path: File to write; its folder must exist.
        words: As in `plot_attention`.
        title: As in `plot_attention`.
        dpi: Dots per inch; a cell is 0.36 inches wide.
        show: As in `plot_attention`.

    Raises:
        ValueError: If tokens and weights do not fit together, or `show` names no map
            of the translation.
        ImportError: If matplotlib is not installed.
        OSError: If the file cannot be written.
    """
    figure = plot_attention(translation, words=words, title=title, show=show)
    figure.savefig(path, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.2)


def _draw_cells(axes, grid):
    mesh = axes.pcolormesh(
        grid.weights,
        cmap=white_to_blue(),
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
        [drawable(label, missing) for label in grid.sources],
        rotation=50,
        ha="left",
        va="bottom",
        rotation_mode="anchor",
        **font,
    )
    axes.set_yticklabels([drawable(label, missing) for label in grid.targets], **font)


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
        labelfontfamily=BASE_FONT,
    )


def _draw_texts(axes, grid: AttentionGrid, title, font, missing):
    """Places the title over the labels and the notes under the map."""
    if title:
        axes.set_title(
            drawable(title, missing),
            **{**font, "fontsize": 13},
            fontweight="bold",
            loc="left",
            pad=12,
        )
    notes = [note for note in (grid.caption, *grid.notes) if note]
    if grid.is_blank:
        notes.insert(0, "No attention to draw: every weight is zero.")
    if notes:
        axes.annotate(
            "\n".join(drawable(note, missing) for note in notes),
            (0, 0),
            xytext=(0, -8),
            xycoords="axes fraction",
            textcoords="offset points",
            va="top",
            annotation_clip=False,
            **{**font, "fontsize": 9},
        )


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
