"""From what scripts printed to what is reported: means, medians and ratios."""

import statistics
from collections.abc import Mapping
from typing import Any

__all__ = ["compared", "median_of", "same_lines"]

_COUNTS = ("batches", "sentences")  # told, not measured
# How far ours before and after a peer lie apart says how calm the machine was.
_SPEED = {"train": "tokens_per_s", "decode": "greedy_tokens_per_s"}


def compared(
    name: str,
    task: str,
    theirs: Mapping[str, Any],
    ours: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> dict[str, Any]:
    """Sets a peer's measures against the mean of ours before and after it.

    Args:
        name: The peer.
        task: `"train"` or `"decode"`.
        theirs: What its script printed.
        ours: What ours printed before and after.

    Returns:
        `peer`, `task`, `theirs`, `ours`, and `ratio`: ours over theirs of every
        measure that both have. Rounds count by their median.

    Example:
    >>> rounds = [{"tokens_per_s": [n, n + 2]} for n in (1, 3, 2)]
    >>> compared("pytorch", "train", rounds[0], (rounds[1], rounds[2]))["ratio"]
    {'tokens_per_s': 1.75}
    """
    middle = {
        measure: _mean(median_of(ours[0][measure]), median_of(ours[1][measure]))
        for measure in ours[0]
        if measure not in ("task", "versions")
    }
    ratio = {}
    for measure, mine in middle.items():
        other = median_of(theirs.get(measure))
        if measure not in _COUNTS and mine is not None and other:
            ratio[measure] = round(mine / other, 3)
    return {
        "peer": name,
        "task": task,
        "theirs": {key: each for key, each in theirs.items() if key != "task"},
        "ours": middle,
        "ours_before_and_after": [median_of(each[_SPEED[task]]) for each in ours],
        "ratio": ratio,
    }


def same_lines(first: list[str], second: list[str]) -> float:
    """Returns the share of lines that are the same in both.

    Example:
    >>> same_lines(["a", "b"], ["a", "c"])
    0.5
    """
    same = sum(one == other for one, other in zip(first, second, strict=True))
    return round(same / max(1, len(first)), 4)


def median_of(value: Any) -> float | None:
    """Returns the median of a measure's rounds; what is no list, as it is."""
    return statistics.median(value) if isinstance(value, list) else value


def _mean(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return None
    return round((one + other) / 2, 3)
