"""The seconds to each mark as tables in Markdown."""

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import circumstances, markdown_table, shown_command
from benchmarks.report import Result

_RATIO = "_over_keras_attn"


def seconds_table(metrics: Mapping[str, Any]) -> str:
    """Returns a row for each mark, a column for each contender and each ratio.

    Marks beyond the one at which trainings end were not tried.
    """
    by_mark = metrics["seconds_to"]
    contenders = list(next(iter(by_mark.values())))
    ratios = [key for key in metrics if key.endswith(_RATIO)]
    rows = []
    for mark, seconds in by_mark.items():
        if float(mark) > metrics["until"]:
            continue
        on_test = metrics["seconds_to_test"][mark]
        cells = [
            f"{_seconds(seconds[name])}; {_seconds(on_test[name])}"
            for name in contenders
        ]
        rows.append([mark, *cells, *(_ratio(metrics, key, mark) for key in ratios)])
    head = ["BLEU", *(f"`{name}`" for name in contenders)]
    head += [f"`{key.removesuffix(_RATIO)}` / `keras_attn`" for key in ratios]
    return markdown_table(head, rows)


def time_to_quality_section(result: Result) -> str:
    """Returns the seconds, what was trained with what, and the circumstances."""
    rows = [
        [
            f"`{name}`",
            f"{rate:g}",
            f"{result['parameters'][name]:,}",
            f"{result['tokens_per_s'][name]:,.0f}",
            f"{result['prepare_seconds'][name]:.0f}",
            f"{result['added_seconds'][name]:.0f}",
            f"{max((point[1] for point in result['curves'][name]), default=0):.1f}",
        ]
        for name, rate in result["learning_rates"].items()
    ]
    head = ["", "learning rate", "parameters", "target tokens a second"]
    head += ["prepared in, s", "of them counted as training, s", "highest BLEU"]
    skipped = [
        f"Not measured: `{name}`. {reason}"
        for name, reason in result["skipped"].items()
    ]
    return "\n\n".join(
        [seconds_table(result), markdown_table(head, rows), *skipped, _measured(result)]
    )


def time_to_quality_headline(result: Result) -> str:
    """Returns the seconds as README shows them."""
    return f"{seconds_table(result)}\n\n{_measured(result)}"


def _measured(result: Result) -> str:
    sentences = (
        f"{result['validation_sentences']:,} sentences of validation; "
        f"{result['test_sentences']:,} of {result['test']}"
    )
    return (
        f"Seconds on {sentences}; `-`: not reached within {result['minutes']:g} "
        f"minutes. Recipe `{result['recipe']}`, large float32 matrix product "
        f"{result['sgemm_gflops']:.0f} GFLOP/s. `{shown_command(result)}` on "
        f"{result['corpus']}, {circumstances(result)}."
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _ratio(metrics: Mapping[str, Any], key: str, mark: str) -> str:
    """A ratio, or what it is above where the peer used up its time."""
    value, ours = metrics[key][mark], metrics["seconds_to"][mark]["keras_attn"]
    if value is not None:
        return f"{value:.2f}"
    if ours is None:
        return "-"
    return f"over {60 * metrics['minutes'] / ours:.2f}"
