"""The table of peaks: a line for each corpus, a column for each stage."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.pages import markdown_table

__all__ = ["stages_table"]


def stages_table(points: Sequence[Mapping[str, Any]]) -> str:
    """Returns the peaks as a Markdown table, in MB.

    Args:
        points: Of each corpus its `pairs` and the peak by stage, `mb`; one or more.

    Example:
    >>> point = {"pairs": 1000, "mb": {"start": 400.4, "epoch": 410.2}}
    >>> print(stages_table([point]))
    | pairs | start | epoch |
    | --- | --- | --- |
    | 1,000 | 400 | 410 |
    """
    rows = [
        [f"{point['pairs']:,}", *(f"{mb:,.0f}" for mb in point["mb"].values())]
        for point in points
    ]
    return markdown_table(["pairs", *points[0]["mb"]], rows)
