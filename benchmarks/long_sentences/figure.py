"""BLEU against source words, as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["draw_figure"]

_LOOKS = {
    "attention": ("with attention", "#1f4e9c", "o"),
    "plain": ("plain: one vector", "#b5482a", "s"),
}
_INK = "#1d2b45"


def draw_figure(results: Mapping[str, Any], path: Path) -> list[Path]:
    """Draws the scores of both kinds against the length of a line.

    A line goes through the means; its band goes from the worst seed to the best.
    Lengths that no training line had are hollow and dashed.

    Args:
        results: What the benchmark stores.
        path: File to write; `.png` and `.svg` take the place of its ending.

    Returns:
        The paths of the two files.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    rows = results["lengths"]
    for kind, look in _LOOKS.items():
        _draw_kind(axes, rows, kind, look)
    _draw_axes(axes, rows)
    written = []
    # The same results make the same bytes: no date, no random names.
    with matplotlib.rc_context({"svg.hashsalt": "long_sentences"}):
        for ending, metadata in ((".png", {}), (".svg", {"Date": None})):
            written.append(path.with_suffix(ending))
            figure.savefig(written[-1], dpi=150, metadata=metadata)
    return written


def _draw_kind(axes, rows, kind, look):
    label, color, marker = look
    words = [row["source_words"] for row in rows]
    means = [row[kind]["mean"] for row in rows]
    trained = sum(row["trained"] for row in rows)
    axes.fill_between(
        words,
        [min(row[kind]["bleu"]) for row in rows],
        [max(row[kind]["bleu"]) for row in rows],
        color=color,
        alpha=0.18,
        linewidth=0,
    )
    axes.plot(words[:trained], means[:trained], color=color, label=label)
    # From the last trained length on.
    axes.plot(words[trained - 1 :], means[trained - 1 :], "--", color=color)
    for row, x, y in zip(rows, words, means, strict=True):
        face = color if row["trained"] else "white"
        axes.plot(x, y, marker, markerfacecolor=face, markeredgecolor=color)


def _draw_axes(axes, rows):
    axes.set_xlabel("source words a line (mean of a test)", color=_INK)
    axes.set_ylabel("BLEU", color=_INK)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#e6eaf1")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for row in rows:
        note = f"k = {row['joined']}"
        axes.annotate(
            note if row["trained"] else f"{note}\nnever trained",
            (row["source_words"], 1),
            xycoords=("data", "axes fraction"),  # over the plot, clear of the curves
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color="#5b6780",
        )
    axes.legend(frameon=False, labelcolor=_INK)
