"""Curves of quality over seconds of training, and what is read from them.

A curve is a list of points `[seconds, validation BLEU, test BLEU]` in order of time. A
contender has one curve for each learning rate that it was trained with.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Curve = Sequence[Sequence[float]]

VALIDATION, TEST = 1, 2  # columns of a point


def seconds_to(curve: Curve, mark: float, column: int = VALIDATION) -> float | None:
    """Returns the first moment of a curve at or above a BLEU; `None`: not reached.

    Args:
        curve: Points in order of time.
        mark: The BLEU to reach.
        column: `VALIDATION` or `TEST`.

    Example:
    >>> seconds_to([[10, 29.0, 28.0], [20, 31.5, 30.0], [30, 30.9, 33.0]], 30)
    20
    """
    return next((point[0] for point in curve if point[column] >= mark), None)


def seconds_to_both(curve: Curve, mark: float) -> float | None:
    """Returns the moment by which validation and test both reached a BLEU.

    Example:
    >>> seconds_to_both([[10, 30.5, 28.0], [20, 29.0, 31.0]], 30)
    20
    """
    moments = [seconds_to(curve, mark, column) for column in (VALIDATION, TEST)]
    reached = [moment for moment in moments if moment is not None]
    return max(reached) if len(reached) == len(moments) else None


def fastest(
    curves: Mapping[str, Curve], mark: float, column: int = VALIDATION
) -> float | None:
    """Returns the least seconds to a BLEU over the curves of a contender.

    Example:
    >>> fastest({"0.001": [[9, 30, 29]], "0.002": [[5, 31, 30]], "1": []}, 30)
    5
    """
    moments = [seconds_to(curve, mark, column) for curve in curves.values()]
    return min((moment for moment in moments if moment is not None), default=None)


def best_rate(curves: Mapping[str, Curve], marks: Sequence[float]) -> str:
    """Returns the learning rate whose curve stands for a contender.

    It is the first one to reach the highest mark that any curve reaches on validation;
    where none reaches a mark, the one with the highest validation BLEU. The test has
    no say.

    Args:
        curves: By learning rate, at least one.
        marks: BLEU to reach.

    Example:
    >>> best_rate({"slow": [[9, 30, 0]], "fast": [[5, 30, 0]]}, [30, 34])
    'fast'
    """
    for mark in sorted(marks, reverse=True):
        moments = {rate: seconds_to(curve, mark) for rate, curve in curves.items()}
        reached = {rate: t for rate, t in moments.items() if t is not None}
        if reached:
            return min(reached, key=reached.__getitem__)

    def highest(rate: str) -> float:
        return max((point[VALIDATION] for point in curves[rate]), default=0.0)

    return max(curves, key=highest)


def table_of_seconds(
    contenders: Mapping[str, Mapping[str, Curve]],
    marks: Sequence[float],
    column: int = VALIDATION,
) -> dict[str, dict[str, float | None]]:
    """Returns for each mark the seconds of each contender, by its fastest rate.

    Example:
    >>> table_of_seconds({"ours": {"0.001": [[9, 30, 0]]}}, [30, 34])
    {'30': {'ours': 9}, '34': {'ours': None}}
    """
    return {
        f"{mark:g}": {
            name: fastest(curves, mark, column) for name, curves in contenders.items()
        }
        for mark in marks
    }


def ratios(
    seconds: Mapping[str, Mapping[str, float | None]], over: str, under: str
) -> dict[str, float | None]:
    """Returns by mark how many times as long one contender takes as another.

    Args:
        seconds: As `table_of_seconds` returns them.
        over: The contender whose seconds are divided.
        under: The contender by whose seconds they are divided.

    Example:
    >>> ratios({"30": {"a": 9.0, "b": 3.0}, "34": {"a": None, "b": 5.0}}, "a", "b")
    {'30': 3.0, '34': None}
    """
    result: dict[str, float | None] = {}
    for mark, row in seconds.items():
        dividend, divisor = row.get(over), row.get(under)
        known = dividend is not None and divisor
        result[mark] = round(dividend / divisor, 3) if known else None  # type: ignore[operator]
    return result


def summarize(
    contenders: Mapping[str, Mapping[str, Curve]],
    marks: Sequence[float],
    reference: str = "keras_attn",
) -> dict[str, Any]:
    """Returns what is stored about the curves of all contenders.

    Args:
        contenders: Curves by learning rate, by contender.
        marks: BLEU to reach.
        reference: The contender that the plain Keras models are divided by.

    Returns:
        `seconds_to` and `seconds_to_test` by mark and contender; `learning_rates`,
        `curves` and `other_curves` by contender; `PLAIN_over_keras_attn` by mark for
        each contender whose name begins with `plain_keras`.
    """
    seconds = table_of_seconds(contenders, marks)
    chosen = {name: best_rate(curves, marks) for name, curves in contenders.items()}
    others = {
        name: {rate: curve for rate, curve in curves.items() if rate != chosen[name]}
        for name, curves in contenders.items()
    }
    metrics = {
        "seconds_to": seconds,
        "seconds_to_test": table_of_seconds(contenders, marks, TEST),
        "learning_rates": {name: float(rate) for name, rate in chosen.items()},
        "curves": {name: contenders[name][rate] for name, rate in chosen.items()},
        "other_curves": {name: curves for name, curves in others.items() if curves},
    }
    for name in contenders:
        if reference in contenders and name.startswith("plain_keras"):
            key = f"{name}_over_{reference}"
            metrics[key] = ratios(seconds, name, reference)
    return metrics
