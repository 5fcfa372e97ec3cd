"""BLEU against sentence length as a table in Markdown and as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.markdown import markdown_table

KINDS = ("attention", "plain")
_COLUMNS = (
    "sentences a line",
    "source words",
    "attention, BLEU",
    "of its BLEU(1)",
    "plain, BLEU",
    "of its BLEU(1)",
    "largest p",
)
_VERDICTS = {True: "holds", False: "does not hold", None: "cannot be said"}
_LOOKS = {
    "attention": ("with attention", "#1f4e9c", "o"),
    "plain": ("plain: one vector", "#b5482a", "s"),
}
_INK = "#1d2b45"


def render(results: Mapping[str, Any], image: str | None = None) -> str:
    """Returns the results as Markdown.

    Args:
        results: What the experiment stores.
        image: Link to the figure, or `None` for no figure.
    """
    lengths = results["lengths"]
    rows = []
    for row in lengths:
        joined = f"{row['joined']}" + ("" if row["trained"] else ", never trained")
        cells = [joined, f"{row['source_words']:.1f}"]
        for kind in KINDS:
            cells += [_bleu(row[kind]), _share(row[kind]["share_of_singles"])]
        rows.append([*cells, f"{max(row['p_values']):.3f}"])
    verdicts = "\n".join(
        f"- Stated beforehand: {stated['claim']}. Measured: "
        f"{_share(stated['share'])}. It **{_VERDICTS[stated['holds']]}**."
        for stated in results["stated"]
    )
    longest = [row for row in lengths if row["trained"]][-1]
    scores = " and ".join(
        f"{_bleu(longest[kind]['translated_singly'])} ({kind})" for kind in KINDS
    )
    control = (
        f"Control: the same sentences translated one by one and only then put into "
        f"lines of {longest['joined']} score {scores}, so this is what BLEU itself "
        "makes of longer lines."
    )
    figure = [] if image is None else [f"![BLEU against source words]({image})"]
    table = markdown_table(_COLUMNS, rows)
    parts = [table, *figure, verdicts, control, _circumstances(results)]
    return "\n\n".join(parts) + "\n"


def _circumstances(results: Mapping[str, Any]) -> str:
    corpus, kinds, environment = (
        results[key] for key in ("corpus", "kinds", "environment")
    )
    sizes = ", ".join(
        f"{kind} {trained['parameters']:,} parameters (decoder of "
        f"{trained['decoder_units']} units)"
        for kind, trained in kinds.items()
    )
    first = next(iter(kinds.values()))
    seconds = sum(
        run["train_seconds"] for trained in kinds.values() for run in trained["runs"]
    )
    versions = ", ".join(
        f"{name} {version}" for name, version in environment["versions"].items()
    )
    commit = (environment["commit"] or "unknown")[:12]
    if environment["modified"]:
        commit += " with changes"
    search = "greedy" if results["beam_size"] == 1 else f"beam {results['beam_size']}"
    too_long = first["lines_too_long"]
    dropped = f" ({too_long:,} too long for training)" if too_long else ""
    hardware = environment["hardware"]
    lines = [
        f"Corpus: {corpus['name']}, {corpus['languages']}; "
        f"{corpus['train_sentences']:,} sentences in {corpus['train_lines']:,} "
        f"training lines{dropped}; test {corpus['test']}, the same "
        f"{corpus['test_sentences']:,} sentences at every length.",
        f"Models: {sizes}.",
        f"Training: {first['updates']:,} updates each ({first['epochs']} epochs), "
        f"{len(first['runs'])} seeds, {seconds / 60:.0f} minutes of training in all.",
        f"Search: {search}. Score: `{results['bleu_signature']}`.",
        f"Measured at {environment['date']} by commit {commit} on "
        f"{hardware['processor']}, {hardware['cores']} cores; {versions}.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _bleu(score: Mapping[str, Any]) -> str:
    if score["deviation"] is None:
        return f"{score['mean']:.1f}"
    return f"{score['mean']:.1f} ± {score['deviation']:.1f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def draw_figure(results: Mapping[str, Any], path: Path) -> list[Path]:
    """Draws the scores of both kinds against the length of a line.

    A line goes through the means; its band goes from the worst seed to the best.
    Lengths that no training line had are hollow and dashed.

    Args:
        results: What the experiment stores.
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
    for kind in KINDS:
        _draw_kind(axes, rows, kind)
    _draw_axes(axes, rows)
    written = []
    # The same results make the same bytes: no date, no random names.
    with matplotlib.rc_context({"svg.hashsalt": "long_sentences"}):
        for ending, metadata in ((".png", {}), (".svg", {"Date": None})):
            written.append(path.with_suffix(ending))
            figure.savefig(written[-1], dpi=150, metadata=metadata)
    return written


def _draw_kind(axes: Any, rows: Sequence[Mapping[str, Any]], kind: str) -> None:
    label, color, marker = _LOOKS[kind]
    words = [row["source_words"] for row in rows]
    means = [row[kind]["mean"] for row in rows]
    trained = sum(row["trained"] for row in rows)
    worst = [min(row[kind]["bleu"]) for row in rows]
    best = [max(row[kind]["bleu"]) for row in rows]
    axes.fill_between(words, worst, best, color=color, alpha=0.18, linewidth=0)
    axes.plot(words[:trained], means[:trained], color=color, label=label)
    # From the last trained length on.
    axes.plot(words[trained - 1 :], means[trained - 1 :], "--", color=color)
    for row, x, y in zip(rows, words, means, strict=True):
        face = color if row["trained"] else "white"
        axes.plot(x, y, marker, markerfacecolor=face, markeredgecolor=color)


def _draw_axes(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
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
