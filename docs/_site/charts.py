"""The charts of the site, drawn of the stored results: nobody types numbers.

A page has `<!-- chart: NAME -->` where a chart is to stand; readers of the repository
see nothing there, the table beside it says the same. Each chart is drawn twice, for
light and for dark pages.
"""

import io
import json
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
# Ink and grid for a light page and a dark one; of the series, what both can show.
LOOKS = {"light": ("#1d2b45", "#d5dbe5"), "dark": ("#dfe5f0", "#48505f")}
_COLOURS = ("#2a8f86", "#e0813c")
_NAMES = ("batch", "source", "target", "vocabulary")


def read(name):
    """Returns the stored result of a benchmark; `None`: there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def request_series():
    """Time of a request by its sentences, over gRPC and without."""
    found = read("serve_roundtrip")
    if found is None:
        return None
    sizes = (1, 8, 32)
    return {
        "title": f"Milliseconds of a request, beam {found['beam_size']}",
        "form": "{:.0f}",
        "labels": [f"{size} sentence{'s' * (size > 1)}" for size in sizes],
        "series": {
            label: [_figure(found, f"{key}_ms_batch{size}") for size in sizes]
            for label, key in (("over gRPC", "grpc"), ("without", "inprocess"))
        },
    }


def growth_series():
    """How the time of a training step grows, measured and counted."""
    found = read("scaling")
    if found is None:
        return None
    return {
        "title": "Time of a training step grows to the power of",
        "form": "{:.2f}",
        "labels": list(_NAMES),
        "series": {
            "measured": [_figure(found, f"exponent_{name}") for name in _NAMES],
            "counted": [_figure(found, f"analytic_exponent_{name}") for name in _NAMES],
        },
    }


def share_series():
    """How much of a large matrix product's speed is reached."""
    train, decode = read("train_step"), read("decode")
    if train is None or decode is None:
        return None
    return {
        "title": "Share of a large matrix product's speed",
        "form": "{:.2f}",
        "labels": ["training", f"the same by {train['peer']}", "greedy search"],
        "series": {
            "": [
                _figure(train, "sgemm_fraction"),
                _figure(train, "peer_sgemm_fraction"),
                _figure(decode, "sgemm_fraction"),
            ]
        },
    }


def bleu_series():
    """BLEU of the recipes, as docs/results.md has it."""
    paths = sorted((RESULTS / "translation").glob("*.json"))
    found = [json.loads(path.read_text("utf-8")) for path in paths]
    if not found:
        return None
    best = []
    for each in found:
        scores = each["scores"]
        bleu, half = scores["bleu"], scores["bleu_half_width"]
        best.append((bleu, bleu - half, bleu + half))
    greedy = [(each["greedy_bleu"],) * 3 for each in found]
    return {
        "title": "BLEU",
        "form": "{:.1f}",
        "labels": [each["label"] for each in found],
        "series": {"beam": best, "greedy": greedy},
    }


CHARTS = {
    "request": request_series,
    "growth": growth_series,
    "share": share_series,
    "bleu": bleu_series,
}


def _figure(found, key):
    """Returns a median with its lowest and highest."""
    low, high = found.get(f"{key}_spread", (found[key],) * 2)
    return found[key], low, high


def draw(chart, look):
    """Returns a chart as the text of an SVG file, the same for the same results."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    ink, grid = LOOKS[look]
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    many = len(chart["series"])
    for number, (label, figures) in enumerate(chart["series"].items()):
        _bars(axes, number, many, label, figures, chart["form"], ink)
    axes.set_xticks(range(len(chart["labels"])), chart["labels"], color=ink)
    axes.set_title(chart["title"], color=ink, loc="left", fontsize=11)
    axes.tick_params(length=0, colors=ink)
    axes.grid(axis="y", color=grid)
    axes.set_axisbelow(True)
    axes.margins(y=0.15)
    axes.set_ylim(bottom=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if many > 1:
        axes.legend(frameon=False, labelcolor=ink)
    page = io.StringIO()
    options = {"svg.hashsalt": "charts", "svg.fonttype": "none"}
    with matplotlib.rc_context(options):
        figure.savefig(page, format="svg", transparent=True, metadata={"Date": None})
    return page.getvalue()


def _bars(axes, number, many, label, figures, form, ink):
    wide = 0.8 / many
    places = [i + (number - (many - 1) / 2) * wide for i in range(len(figures))]
    heights = [median for median, _, _ in figures]
    errors = [
        [max(0.0, median - low) for median, low, _ in figures],
        [max(0.0, high - median) for median, _, high in figures],
    ]
    bars = axes.bar(places, heights, wide * 0.9, color=_COLOURS[number], label=label)
    axes.errorbar(places, heights, errors, fmt="none", ecolor=ink, elinewidth=1)
    shown = [form.format(height) for height in heights]
    axes.bar_label(bars, shown, label_type="center", color="white", fontsize=9)
