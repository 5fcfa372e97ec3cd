"""Line charts as SVG, coloured by the style sheet of the page that holds them."""

import html
import math
from collections.abc import Mapping, Sequence

__all__ = ["curves_svg"]

_WIDTH, _HEIGHT = 420, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 40, 34  # room for labels
_TICKS = 5

Points = Sequence[tuple[float, float]]


def curves_svg(title: str, series: Mapping[str, Points], x_label: str = "epoch") -> str:
    """Draws curves over a common x axis.

    Args:
        title: Title above the chart.
        series: Points (x, y) of each curve by its name, which is also its class in the
            style sheet. Points that are not finite are left out.
        x_label: Label of the x axis.

    Returns:
        An `<svg>` element without a style; `""` without any point.

    Example:
    >>> curves_svg("Loss", {"train": []})
    ''
    >>> "<polyline" in curves_svg("Loss", {"train": [(1, 3.0), (2, 2.5)]})
    True
    """
    series = {
        name: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, points in series.items()
    }
    series = {name: points for name, points in series.items() if points}
    if not series:
        return ""
    xs, ys = zip(
        *(point for points in series.values() for point in points), strict=True
    )
    columns = _ticks(min(xs), max(xs), whole=True)
    rows = _ticks(min(ys), max(ys))
    scale = _Scale(min(xs), max(xs), rows[0], rows[-1])
    parts = [
        f'<text class="title" x="{_LEFT}" y="16">{html.escape(title)}</text>',
        *_legend(series),
        *(_row(scale.y(value), _number(value, rows)) for value in rows),
        *(_column(scale.x(value), f"{value:g}") for value in columns),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 4, x_label, "middle"),
        *(_curve(name, points, scale) for name, points in series.items()),
    ]
    summary = "; ".join(
        f"{name}: {points[0][1]:.4g} to {points[-1][1]:.4g}"
        for name, points in series.items()
    )
    label = html.escape(f"{title}. {summary}", quote=True)
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )


class _Scale:
    """Maps values to positions in the picture."""

    def __init__(self, left, right, low, high):
        self.left, self.low = left, low
        self.x_scale = (_WIDTH - _LEFT - _RIGHT) / ((right - left) or 1)
        self.y_scale = (_HEIGHT - _TOP - _BOTTOM) / (high - low)

    def x(self, value):
        return _LEFT + (value - self.left) * self.x_scale

    def y(self, value):
        return _HEIGHT - _BOTTOM - (value - self.low) * self.y_scale


def _ticks(low, high, whole=False):
    """Returns round numbers from at most `low` to at least `high`.

    With `whole`, integers between the two.
    """
    step = (high - low) / (_TICKS - 1) or max(abs(low), 1) / (_TICKS - 1)
    unit = 10.0 ** math.floor(math.log10(step))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= step * 0.999)
    if whole:
        step = max(round(step), 1)
        first = math.ceil(low / step)
        return [step * n for n in range(first, math.floor(high / step) + 1)] or [low]
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * n for n in range(first, max(last, first + 1) + 1)]


def _number(value, rows):
    """Formats a label with as many decimals as distinguish the rows."""
    decimals = max(0, -math.floor(math.log10((rows[1] - rows[0]) * 1.001)))
    return f"{value:,.{decimals}f}"


def _legend(series):
    x = _WIDTH - _RIGHT
    for name in reversed(series):
        position = f'x="{x}" y="16" text-anchor="end"'
        yield f'<text class="name {name}" {position}>{name}</text>'
        x -= 9 * len(name) + 12


def _row(y, label):
    line = f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(_LEFT - 6, y + 4, label, "end")


def _column(x, label):
    return _text(x, _HEIGHT - _BOTTOM + 16, label, "middle")


def _text(x, y, text, anchor):
    escaped = html.escape(text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escaped}</text>'


def _curve(name, points, scale):
    path = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in points)
    dots = "".join(
        f'<circle cx="{scale.x(x):.1f}" cy="{scale.y(y):.1f}" r="3">'
        f"<title>{name}, {x:g}: {y:.4g}</title></circle>"
        for x, y in points
    )
    return f'<g class="curve {name}"><polyline points="{path}"/>{dots}</g>'
