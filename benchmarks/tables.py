"""The tables of README and docs, drawn from stored results: nobody types numbers.

`python -m benchmarks table` writes them from `benchmarks/results`, where each file
holds one line that a benchmark printed with `--json`.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.experiments import ablation, translation
from benchmarks.markdown import circumstances, fill, markdown_table, shown_command
from benchmarks.report import RESULTS, ROOT, Result, read_result, read_results
from benchmarks.time_to_quality.page import (
    time_to_quality_headline,
    time_to_quality_section,
)


class Row(NamedTuple):
    """A line of the table of speed.

    Attributes:
        keys: Metrics that stand side by side, separated by blanks.
        form: How a number is written.
        headline: Whether README shows it, too.
        label: What was measured; `{key}` stands for a value of the result.
    """

    keys: str
    form: str
    headline: bool
    label: str


# The table of speed: how a benchmark is run, and its rows.
COMMANDS = {
    "train_step": "train_step --data multi30k --compare plain_keras",
    "decode": "decode --data multi30k --shortlist 32 --bfloat16 --compare plain_keras",
    "serve_roundtrip": "serve_roundtrip --data multi30k",
    "memory": "memory",
    "scaling": "scaling",
}
# fmt: off
_SGEMM = Row("sgemm_gflops", "{:.0f}", False,
             "Large float32 matrix product in the same run, GFLOP/s")
ROWS = {
    "train_step": [
        Row("ratio", "{:.2f}", True,
            "Training speed over that of {peer}, the same model"),
        Row("sgemm_fraction", "{:.2f}", True,
            "Training, share of a large matrix product's speed"),
        Row("peer_sgemm_fraction", "{:.2f}", False,
            "The same by {peer}"),
        Row("tokens_per_s", "{:,.0f}", False,
            "Training, target tokens a second"),
        Row("peer_tokens_per_s", "{:,.0f}", False,
            "The same by {peer}"),
        _SGEMM,
    ],
    "decode": [
        Row("sentences_per_s", "{:,.1f}", True,
            "Translating text to text, greedy, batches of {batch_size}: sentences a "
            "second"),
        Row("ratio bfloat16_ratio bfloat16_shortlist_ratio", "{:.2f}", True,
            "Times the speed of plain Keras; with 16 bits; with 16 bits and a "
            "shortlist"),
        Row("exported_ratio bfloat16_shortlist_exported_ratio", "{:.2f}", True,
            "The same of the exported model; with 16 bits and a shortlist"),
        Row("peer_sentences_per_s", "{:,.1f}", False,
            "The same by plain Keras: sentences a second"),
        Row("sgemm_fraction", "{:.2f}", True,
            "Greedy search, share of a large matrix product's speed"),
        Row("batch1_ms", "{:.1f}", True,
            "One sentence alone, greedy: ms"),
        Row("batch1_p95_ms", "{:.1f}", False,
            "The same, 95th percentile: ms"),
        Row("xla_batch1_ms shortlist_xla_batch1_ms", "{:.1f}", True,
            "One sentence alone, greedy, compiled by XLA; with the shortlist, too: ms"),
        Row("exported_alone_over_floor exported_beam5_alone_over_floor",
            "{:.2f}", True,
            "One sentence alone, exported, greedy; beam 5: times the time of its "
            "matrix products"),
        Row("bfloat16_shortlist_exported_alone_over_floor "
            "bfloat16_shortlist_exported_beam5_alone_over_floor", "{:.2f}", True,
            "The same with 16 bits and a shortlist, over the products of 32 bits and "
            "all words"),
        Row("floor_ms beam5_floor_ms", "{:.1f}", False,
            "Its matrix products, greedy; beam 5: ms"),
        Row("greedy_over_floor", "{:.2f}", False,
            "Batches, greedy, times the time of the decoder's matrix products"),
        Row("exported_greedy_over_floor", "{:.2f}", False,
            "The same of the exported model"),
        Row("greedy_body_operations beam5_body_operations", "{:.0f}", False,
            "Operations of a step of the exported search, greedy; beam 5"),
        Row("beam5_over_greedy", "{:.2f}", True,
            "Beam 5, times the time of greedy search"),
        Row("exported_beam5_over_greedy", "{:.2f}", True,
            "The same of the exported model"),
        Row("beam5_sentences_per_s", "{:,.1f}", False,
            "Beam 5: sentences a second"),
        Row("shortlist_sentences_per_s", "{:,.1f}", True,
            "With a shortlist of {shortlist} words a subword, greedy: sentences a "
            "second"),
        Row("shortlist_beam5_sentences_per_s", "{:,.1f}", False,
            "The same, beam 5: sentences a second"),
        Row("shortlist_batch1_ms", "{:.1f}", False,
            "The same, one sentence alone, greedy: ms"),
        Row("bfloat16_sentences_per_s bfloat16_beam5_sentences_per_s", "{:,.1f}", False,
            "With weights of 16 bits, greedy; beam 5: sentences a second"),
        Row("bfloat16_shortlist_sentences_per_s "
            "bfloat16_shortlist_beam5_sentences_per_s", "{:,.1f}", False,
            "With both, greedy; beam 5: sentences a second"),
        Row("bfloat16_shortlist_batch1_ms", "{:.1f}", False,
            "With both, one sentence alone, greedy: ms"),
        Row("bleu_bfloat16 bleu_bfloat16_beam5", "{:.1f}", False,
            "BLEU with weights of 16 bits, greedy; beam 5"),
        Row("exported_over_python", "{:.2f}", False,
            "Exported model, times the time of `Translator.translate`"),
        Row("mean_source_tokens mean_target_tokens", "{:.1f}", False,
            "Mean tokens read; written"),
        Row("bleu_greedy bleu_beam5", "{:.1f}", False,
            "BLEU greedy; beam 5"),
        _SGEMM,
    ],
    "serve_roundtrip": [
        Row("added_cost_batch1 added_cost_batch8 added_cost_batch32", "{:.1%}", True,
            "What gRPC adds to the time of a request of 1; 8; 32 sentences"),
        Row("grpc_ms_batch1 grpc_ms_batch8 grpc_ms_batch32", "{:.1f}", False,
            "A request of 1; 8; 32 sentences over gRPC, beam {beam_size}: ms"),
        Row("grpc_p95_ms_batch1 grpc_p95_ms_batch8 grpc_p95_ms_batch32",
            "{:.1f}", False,
            "The same, 95th percentile: ms"),
        Row("inprocess_ms_batch1 inprocess_ms_batch8 inprocess_ms_batch32",
            "{:.1f}", False,
            "The same call without gRPC: ms"),
        Row("ratio_batch1 fast_ratio_batch1", "{:.2f}", False,
            "A request of 1 sentence, times the speed of the export that it is "
            "compared with; with 16 bits and a shortlist"),
        Row("parse_ms tokenise_ms encode_decode_ms serialise_ms", "{:.2f}", False,
            "In a request of 32, reading the message; tokenising; all else in the "
            "graph; writing the answer: ms"),
        Row("client_read_ms", "{:.2f}", False,
            "The client's reading of it: ms"),
        _SGEMM,
    ],
    "memory": [
        Row("exponent_batch exponent_source exponent_target", "{:.2f}", True,
            "Memory of a training step grows with batch; source; target to the power "
            "of"),
        Row("mb_per_batch_token", "{:.4f}", False,
            "MB for each sentence and token of its two sides"),
    ],
    "scaling": [
        Row("exponent_batch exponent_source exponent_target exponent_vocabulary",
            "{:.2f}", True,
            "Time of a training step grows with batch; source; target; vocabulary to "
            "the power of"),
        Row("analytic_exponent_batch analytic_exponent_source "
            "analytic_exponent_target analytic_exponent_vocabulary",
            "{:.2f}", True,
            "The same counted: its matrix products, and the numbers it reads and "
            "writes, at the rates of the machine"),
        Row("largest_difference", "{:.2f}", False,
            "Largest difference of the two"),
        Row("products_exponent_batch products_exponent_source "
            "products_exponent_target products_exponent_vocabulary",
            "{:.2f}", False,
            "The same of its matrix products alone"),
        Row("stream_gb_per_s", "{:.1f}", False,
            "Numbers read and written by a sum of large arrays in the same run, GB/s"),
        _SGEMM,
    ],
}
# fmt: on


def speed_table(results: Mapping[str, Result | None], headlines: bool) -> str:
    """Returns the table of speed.

    Args:
        results: Stored results by benchmark.
        headlines: Whether it has the most important rows only.
    """
    lines = []
    for name, command in COMMANDS.items():
        result = results.get(name)
        if result is None:
            command = f"`python -m benchmarks {command}`"
            lines.append([name, "not measured yet", command, ""])
            continue
        command = f"`{shown_command(result)}`"
        where = f"{result['corpus']}, {circumstances(result)}"
        for row in ROWS[name]:
            keys = row.keys.split()
            if (row.headline or not headlines) and all(key in result for key in keys):
                metrics = "; ".join(_spread(result, key, row.form) for key in keys)
                lines.append([row.label.format_map(result), metrics, command, where])
                command = where = "the same"
    head = ("what", "median (lowest, highest)", "command", "corpus, hardware, date")
    return markdown_table(head, lines)


def _spread(result: Result, key: str, form: str) -> str:
    median = form.format(result[key])
    if f"{key}_spread" not in result:
        return median
    low, high = (form.format(value) for value in result[f"{key}_spread"])
    return f"{median} ({low}, {high})"


def _measured(result: Result) -> str:
    corpus = f" on {result['corpus']}" if "corpus" in result else ""
    return f"`{shown_command(result)}`{corpus}, {circumstances(result)}."


def soak_section(result: Result) -> str:
    """Returns what became of every request of a soak run, odd ones by their fault."""
    memory = max(result["server_mib"], key=lambda samples: samples.get("most", 0))
    quarters = "; ".join(map(str, memory.get("quarters", [])))
    rows = {
        "requests": f"{result['requests']:,}",
        "answered right": f"{result['right']:,}",
        "answered wrong": result["wrong"],
        "lost": result["lost"],
        "failed while the server was down": _counts(result["failed"]),
        "failed at another time": _counts(result["failed_unexpectedly"]),
        "versions swapped; corrupt ones dropped in; kills": (
            f"{result['versions_swapped']}; {result['corrupt_versions']}; "
            f"{result['restarts']}"
        ),
        "requests a second; clients": (
            f"{result['requests_per_second']}; {result['clients']}"
        ),
        "latency, 50th; 95th; 99th percentile: ms": (
            f"{result['p50_ms']}; {result['p95_ms']}; {result['p99_ms']}"
        ),
        "memory of the server, most; medians of the quarters of its life: MiB": (
            f"{memory.get('most')}; {quarters or 'too short to tell'}"
        ),
    }
    if "server_mib_start" in result:  # a result of an earlier release has neither
        rows |= {
            "memory of the server before the faults; at the end: MiB": (
                f"{result['server_mib_start']}; {result['server_mib_end']}"
            ),
            "processor time of server; of clients: ms a request": (
                f"{result['server_cpu_ms']}; {result['client_cpu_ms']}"
            ),
        }
    odd = {
        fault.replace("_", " "): _counts(counts)
        for fault, counts in sorted(result["odd_requests"].items())
    }
    tables = [
        markdown_table(["what", ""], rows.items()),
        markdown_table(["odd requests", "statuses"], odd.items()),
    ]
    return "\n\n".join([*tables, _measured(result)])


def whole_texts_section(result: Result) -> str:
    """Returns BLEU of texts by their number of sentences, and what splitting costs."""
    cost = {
        mode: f"{100 * (result[f'{mode}_over_never'] - 1):+.1f} %"
        for mode in ("always", "long")
    }
    lines = [
        whole_texts_table(result),
        f"One sentence alone takes {result['alone_ms']:.1f} ms; with `always` "
        f"{cost['always']}, with `long` {cost['long']}.",
        _measured(result),
    ]
    return "\n\n".join(lines)


def whole_texts_table(metrics: Mapping[str, Any]) -> str:
    """Returns a row for each number of sentences in a text."""
    columns = ("always", "long", "never", "one_by_one")
    rows = [
        [
            name.replace("_", ": "),
            texts["count"],
            texts["source_words"],
            *(f"{texts[column]:.2f}" for column in columns),
        ]
        for name, texts in metrics["texts"].items()
    ]
    head = ["", "texts", "source words", *(f"`{name}`" for name in columns[:3])]
    return markdown_table([*head, "one by one"], rows)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "0"


_SERVER_OPTIONS = (
    "threads",
    "max_batch_size",
    "batch_timeout_micros",
    "num_batch_threads",
    "max_enqueued_batches",
)


def batching_table(points: Sequence[Mapping[str, Any]]) -> str:
    """Returns a line for each setting of a server, a column for each load."""
    clients = sorted({point["clients"] for point in points})
    settings: dict[tuple, list[str]] = {}
    for point in points:
        alone = point["max_batch_size"] is None
        key = tuple(
            "-" if alone and name != "threads" else str(point[name])
            for name in _SERVER_OPTIONS
        )
        cell = f"{point['per_second']}; {point['p50_ms']}; {point['p95_ms']}"
        if point["refused"]:
            cell += f"; {point['refused']} refused"
        settings.setdefault(key, []).append(cell)
    head = [f"`{name}`" for name in _SERVER_OPTIONS]
    head += [f"{count} clients" for count in clients]
    return markdown_table(head, ([*key, *cells] for key, cells in settings.items()))


def batching_section(result: Result) -> str:
    """Returns the table of batching parameters."""
    note = "Requests a second; 50th and 95th percentile of their time in ms."
    return f"{batching_table(result['points'])}\n\n{note} {_measured(result)}"


def workers_section(result: Result) -> str:
    """Returns speed and memory by number of processes."""
    counts = [key.removeprefix("peak_mb_") for key in result if "peak_mb_" in key]
    rows = [
        [
            count,
            _spread(result, f"tokens_per_second_{count}", "{:,.0f}"),
            _spread(result, f"peak_mb_{count}", "{:,.0f}"),
        ]
        for count in counts
        if count.isdecimal()
    ]
    head = ["processes", "target tokens a second", "peak memory of each: MB"]
    note = (
        f"Medians of {result['repeats']} trainings, lowest and highest; batches of "
        f"{result['batch']}."
    )
    return f"{markdown_table(head, rows)}\n\n{note} {_measured(result)}"


def stages_table(points: Sequence[Mapping[str, Any]]) -> str:
    """Returns the peaks in MB, a line for each corpus, a column for each stage.

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


def corpus_memory_section(result: Result) -> str:
    """Returns peak memory by corpus and stage."""
    note = "Peak of resident memory, MB."
    return f"{stages_table(result['points'])}\n\n{note} {_measured(result)}"


# The columns of a table of peers, by task: a metric, and how it is called.
_PEER_METRICS = {
    "train": {
        "tokens_per_s": "training: target tokens a second",
        "peak_rss_mb": "most memory in training, MB",
    },
    "decode": {
        "greedy_sentences_per_s": "greedy: sentences a second",
        "greedy_tokens_per_s": "tokens a second",
        "output_tokens": "pieces a translation",
        "beam5_sentences_per_s": "beam 5: sentences a second",
        "beam5_tokens_per_s": "tokens a second",
        "batch1_ms": "a sentence alone, ms",
    },
}


def peers_table(results: Sequence[Result]) -> str:
    """Returns a table for each task: a peer a line, cells `ours / theirs = ratio`."""
    measured = [row for row in results if "skipped" not in row]
    parts = []
    for task, metrics in _PEER_METRICS.items():
        rows = [
            [row["peer"], *(_ratio(row, metric) for metric in metrics)]
            for row in measured
            if row["task"] == task
        ]
        if rows:
            parts.append(markdown_table(["peer", *metrics.values()], rows))
    parts += [
        f"Not measured: {row['peer']}. {row['skipped']}"
        for row in results
        if "skipped" in row
    ]
    return "\n\n".join(parts)


def _ratio(row: Result, metric: str) -> str:
    if metric not in row["ratio"]:
        return "-"
    ours, theirs = row["ours"][metric], row["theirs"][metric]
    theirs = statistics.median(theirs) if isinstance(theirs, list) else theirs
    return f"{ours:,.0f} / {theirs:,.0f} = {row['ratio'][metric]:.2f}"


def peers_section(result: Result) -> str:
    """Returns the tables of peers."""
    note = "Ours / theirs = their ratio; `-`: the peer has no such thing."
    return f"{peers_table(result['results'])}\n\n{note} {_measured(result)}"


_STEPS = {
    "install": "Install",
    "train": "Train",
    "evaluate": "Evaluate",
    "export": "Export",
    "serve": "Start the server, until it answers",
    "ask": "Ask by gRPC: two sentences",
}


def newcomer_section(result: Result) -> str:
    """Returns the minutes of each step of `make newcomer`."""
    lines = ["| step | minutes |", "|---|---|"]
    for step, label in _STEPS.items():
        minutes = result["minutes"].get(step)
        text = "not measured in this run" if minutes is None else f"{minutes:.1f}"
        lines.append(f"| {label} | {text} |")
    lines.append(f"| All of it | {result['total_minutes']:.1f} |")
    hardware = result["hardware"]
    lines += [
        "",
        f"`{result['command']}`, {result['pairs']:,} pairs, {result['epochs']} epochs, "
        f"{result['params']:,} parameters, BLEU {result['bleu']:.1f} on held-out "
        f"pairs; {hardware['cores']} cores of {hardware['processor']}, "
        f"{result['date'].partition('T')[0]}, commit {str(result['commit'])[:7]}.",
        "",
        "| asked | answered |",
        "|---|---|",
        *(f"| {source} | {text} |" for source, text in result["answers"].items()),
    ]
    return "\n".join(lines)


def alignment_section(result: Result) -> str:
    """Returns the error rate of links by each method, and their time."""
    return f"{links_table(result['links'])}\n\n{_measured(result)}"


def links_table(links: Mapping[str, Mapping[str, float]]) -> str:
    """Returns a row for each way to find links."""
    columns = ("aer", "precision", "recall", "seconds")
    head = ["links by, 0 is best", "AER", "precision", "recall", "s per 1,000 pairs"]
    rows = [
        [name, *(scores.get(column, "") for column in columns)]
        for name, scores in links.items()
    ]
    return markdown_table(head, rows)


# The page of each result, how it is drawn, and what measures it.
SECTIONS: dict[str, tuple[str, Callable[[Result], str], str]] = {
    "alignment": (
        "docs/alignment.md",
        alignment_section,
        "python -m benchmarks alignment",
    ),
    "soak": ("docs/serving.md", soak_section, "make soak"),
    "batching": ("docs/serving.md", batching_section, "make bench-batching"),
    "workers": ("docs/training.md", workers_section, "make bench-workers"),
    "corpus_memory": ("docs/training.md", corpus_memory_section, "make bench-corpora"),
    "peers": ("docs/results.md", peers_section, "make bench-peers"),
    "time_to_quality": (
        "docs/results.md",
        time_to_quality_section,
        "make time-to-quality",
    ),
    "whole_texts": (
        "docs/text.md",
        whole_texts_section,
        "python -m benchmarks whole_texts",
    ),
    "newcomer": ("docs/start.md", newcomer_section, "make newcomer"),
}


def drawn_pages() -> dict[str, str]:
    """Returns the text of every page with its tables drawn anew, by path.

    Raises:
        ValueError: If a page lacks a mark.
    """
    parts = [
        ("README.md", "benchmarks", _draw_speed(headlines=True)),
        ("docs/results.md", "benchmarks", _draw_speed(headlines=False)),
    ]
    for mark, draw in (("ablation", ablation.draw), ("results", translation.draw)):
        folder = "translation" if mark == "results" else mark
        parts.append(("docs/results.md", mark, draw(read_results(RESULTS / folder))))
    drawn = [(name, *section) for name, section in SECTIONS.items()]
    _, _, command = SECTIONS["time_to_quality"]
    drawn.append(("time_to_quality", "README.md", time_to_quality_headline, command))
    for name, path, draw_one, command in drawn:
        result = read_result(name)
        text = f"Not measured yet: `{command}`." if result is None else draw_one(result)
        parts.append((path, name, text))
    pages: dict[str, str] = {}
    for path, mark, text in parts:
        page = pages.get(path) or (ROOT / path).read_text(encoding="utf-8")
        pages[path] = fill(page, mark, text)
    return pages


def _draw_speed(headlines: bool) -> str:
    return speed_table({name: read_result(name) for name in COMMANDS}, headlines)


def table() -> None:
    """Write the stored results into README and docs."""
    for path, text in drawn_pages().items():
        (ROOT / path).write_text(text, encoding="utf-8")
