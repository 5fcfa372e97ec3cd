"""The charts of the site, drawn from the stored benchmark results.

`<!-- chart: NAME -->` in a page is replaced by a chart on the site; in the repository
it is invisible, and a table beside it has the same numbers. Each chart is drawn twice,
for the light and the dark theme.
"""

import io
import json
import statistics
from pathlib import Path

from benchmarks.report import by_training, read_results

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
# Colours of text and grid in each theme.
THEMES = {"light": ("#1d2b45", "#d5dbe5"), "dark": ("#dfe5f0", "#48505f")}
_COLOURS = ("#2a8f86", "#e0813c", "#6a6fc4", "#b8467a", "#8a8f3a")
_NAMES = ("batch", "source", "target", "vocabulary")


def read(name):
    """Returns the stored result of a benchmark, or `None` without one."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def request_series():
    """Time of a request by number of sentences, with and without gRPC."""
    results = read("serve_roundtrip")
    if results is None:
        return None
    sizes = (1, 8, 32)
    return {
        "title": f"Milliseconds of a request, beam {results['beam_size']}",
        "form": "{:.0f}",
        "labels": [f"{size} sentence{'s' * (size > 1)}" for size in sizes],
        "series": {
            label: [_with_spread(results, f"{key}_ms_batch{size}") for size in sizes]
            for label, key in (("over gRPC", "grpc"), ("without", "inprocess"))
        },
    }


def growth_series():
    """Growth of the time of a training step, measured and estimated."""
    results = read("scaling")
    if results is None:
        return None
    return {
        "title": "Time of a training step grows to the power of",
        "form": "{:.2f}",
        "labels": list(_NAMES),
        "series": {
            "measured": [_with_spread(results, f"exponent_{name}") for name in _NAMES],
            "estimated": [
                _with_spread(results, f"analytic_exponent_{name}") for name in _NAMES
            ],
        },
    }


def share_series():
    """Share of the speed of a large matrix product."""
    train, decode = read("train_step"), read("decode")
    if train is None or decode is None:
        return None
    return {
        "title": "Share of a large matrix product's speed",
        "form": "{:.2f}",
        "labels": ["training", f"the same by {train['peer']}", "greedy search"],
        "series": {
            "": [
                _with_spread(train, "sgemm_fraction"),
                _with_spread(train, "peer_sgemm_fraction"),
                _with_spread(decode, "sgemm_fraction"),
            ]
        },
    }


def bleu_series():
    """BLEU of the recipes, as in docs/results.md."""
    groups = by_training(read_results(RESULTS / "translation"))
    if not groups:
        return None
    beam, greedy = [], []
    for runs in groups:
        scores = [run["scores"]["bleu"] for run in runs]
        mean, low, high = statistics.fmean(scores), min(scores), max(scores)
        if len(runs) == 1:
            half = runs[0]["scores"]["bleu_half_width"]
            low, high = mean - half, mean + half
        beam.append((mean, low, high))
        greedy.append((statistics.fmean(run["greedy_bleu"] for run in runs),) * 3)
    return {
        "title": "BLEU",
        "form": "{:.1f}",
        "labels": [runs[0]["label"] for runs in groups],
        "series": {"beam": beam, "greedy": greedy},
    }


def time_to_quality_curves():
    """Validation BLEU over minutes of training, by contender."""
    results = read("time_to_quality")
    if results is None:
        return None
    return {
        "title": "Validation BLEU, greedy, by minutes of training",
        "curves": {
            name: [(seconds / 60, bleu) for seconds, bleu, _ in curve]
            for name, curve in results["curves"].items()
        },
        "marks": results["marks"],
    }


CHARTS = {
    "time_to_quality": time_to_quality_curves,
    "request": request_series,
    "growth": growth_series,
    "share": share_series,
    "bleu": bleu_series,
}


def _with_spread(results, key):
    """Returns the median, lowest and highest value of a key."""
    low, high = results.get(f"{key}_spread", (results[key],) * 2)
    return results[key], low, high


def draw(chart, theme):
    """Returns a chart as SVG text, reproducibly."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    ink, grid = THEMES[theme]
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    if "curves" in chart:
        series_count = len(chart["curves"])
        _lines(axes, chart["curves"], chart["marks"])
    else:
        series_count = len(chart["series"])
        for number, (label, values) in enumerate(chart["series"].items()):
            _bars(axes, number, series_count, label, values, chart["form"], ink)
        axes.set_xticks(range(len(chart["labels"])), chart["labels"], color=ink)
    axes.set_title(chart["title"], color=ink, loc="left", fontsize=11)
    axes.tick_params(length=0, colors=ink)
    axes.grid(axis="y", color=grid)
    axes.set_axisbelow(True)
    axes.margins(y=0.15)
    axes.set_ylim(bottom=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if series_count > 1:
        axes.legend(frameon=False, labelcolor=ink)
    page = io.StringIO()
    options = {"svg.hashsalt": "charts", "svg.fonttype": "none"}
    with matplotlib.rc_context(options):
        figure.savefig(page, format="svg", transparent=True, metadata={"Date": None})
    return page.getvalue()


def _lines(axes, curves, marks):
    for number, (label, points) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        minutes, bleu = zip(*points, strict=True)
        axes.plot(minutes, bleu, color=colour, label=label, marker=".")
    axes.set_yticks([0, 10, 20, *marks])


def _bars(axes, number, series_count, label, values, form, ink):
    width = 0.8 / series_count
    offset = (number - (series_count - 1) / 2) * width
    positions = [i + offset for i in range(len(values))]
    heights = [median for median, _, _ in values]
    errors = [
        [max(0.0, median - low) for median, low, _ in values],
        [max(0.0, high - median) for median, _, high in values],
    ]
    bars = axes.bar(
        positions, heights, width * 0.9, color=_COLOURS[number], label=label
    )
    axes.errorbar(positions, heights, errors, fmt="none", ecolor=ink, elinewidth=1)
    labels = [form.format(height) for height in heights]
    axes.bar_label(bars, labels, label_type="center", color="white", fontsize=9)
