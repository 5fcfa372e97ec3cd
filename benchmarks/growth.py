"""How fast a number grows with a size: exponents, and their picture."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

__all__ = ["Axis", "draw_growth", "exponent", "plot_folder"]

_INK, _COLORS = "#1d2b45", ("#1f4e9c", "#b5482a")


@dataclasses.dataclass(frozen=True)
class Axis:
    """What was measured while one size grew and the others stayed.

    Attributes:
        name: Of the size.
        sizes: Its values.
        columns: What was found at each of them, by name.
    """

    name: str
    sizes: Sequence[float]
    columns: Mapping[str, Sequence[float]]


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Returns the `p` of `values = c sizes^p`, by least squares of logarithms.

    Example:
    >>> round(exponent([1, 2, 4], [5, 20, 80]), 6)
    2.0
    """
    slope, _ = np.polyfit(np.log(sizes), np.log(values), 1)
    return float(slope)


def plot_folder(out: Path | None) -> Path | None:
    """Makes the folder of a picture and sees that it can be drawn, before the work.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    if out is not None:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise ImportError(
                f"The picture of --out is drawn by matplotlib. Received: {error}. "
                "Install it with: pip install 'keras-attn[plot]', or leave --out away."
            ) from error
        out.mkdir(parents=True, exist_ok=True)
    return out


def draw_growth(axes: Sequence[Axis], unit: str, path: Path) -> None:
    """Draws a panel for each size, both scales logarithmic, and writes an SVG.

    Args:
        axes: The panels. The first column is drawn as points and a line through them,
            others as a line alone, scaled to begin where the first one does.
        unit: Of the first column.
        path: File to write.
    """
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(axes), 3.2), layout="constrained")
    panels = figure.subplots(1, len(axes), sharey=True, squeeze=False)[0]
    for panel, axis in zip(panels, axes, strict=True):
        _draw_panel(panel, axis)
    panels[0].set_ylabel(unit, color=_INK)
    # The same results make the same bytes: no date, no random names.
    with matplotlib.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None})


def _draw_panel(panel, axis: Axis) -> None:
    first = next(iter(axis.columns.values()))
    for color, (name, values), marker in zip(
        _COLORS, axis.columns.items(), ("o", ""), strict=False
    ):
        label = f"{name}: exponent {exponent(axis.sizes, values):.2f}"
        scaled = [value * first[0] / values[0] for value in values]
        style = "-" if marker else "--"
        panel.plot(axis.sizes, scaled, style, marker=marker, color=color, label=label)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log", base=2)
    panel.set_xticks(axis.sizes, [f"{size:,}" for size in axis.sizes])
    panel.yaxis.set_major_formatter("{x:.3g}")
    panel.set_xlabel(axis.name, color=_INK)
    panel.grid(color="#e6eaf1")
    panel.legend(frameon=False, fontsize=8, labelcolor=_INK)
