"""Which figures the tables of README and docs/speed.md show, and how."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["COMMANDS", "ROWS", "Row"]

# What stands in the table where nothing was measured yet, in the table's order.
COMMANDS = {
    "train_step": (
        "python -m benchmarks.train_step --data multi30k --compare plain_keras"
    ),
    "decode": (
        "python -m benchmarks.decode --data multi30k --shortlist 32 --bfloat16 "
        "--compare plain_keras"
    ),
    "serve_roundtrip": "python -m benchmarks.serve_roundtrip --data multi30k",
    "memory": "python -m benchmarks.memory",
    "scaling": "python -m benchmarks.scaling",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        benchmark: Whose results.
        label: What was measured; `{key}` stands for a value of the results.
        keys: The figures, side by side.
        form: How a number is written.
        headline: Whether README shows it, too.
    """

    benchmark: str
    label: str
    keys: Sequence[str]
    form: str = "{:.2f}"
    headline: bool = False

    def figures(self, results: Mapping[str, Any]) -> str | None:
        """Returns each median with its lowest and highest; `None` if one is missing."""
        if any(key not in results for key in self.keys):
            return None
        return "; ".join(self._figure(results, key) for key in self.keys)

    def _figure(self, results: Mapping[str, Any], key: str) -> str:
        median = self.form.format(results[key])
        if f"{key}_spread" not in results:
            return median
        low, high = (self.form.format(value) for value in results[f"{key}_spread"])
        return f"{median} ({low}, {high})"


def _each(prefix: str, *names: str) -> list[str]:
    return [f"{prefix}_{name}" for name in names]


_LENGTHS = ("batch", "source", "target")
_ASKED = ("batch1", "batch8", "batch32")
_PARTS = ("parse_ms", "tokenise_ms", "encode_decode_ms", "serialise_ms")
_SGEMM = "Large float32 matrix product in the same run, GFLOP/s"

ROWS = (
    Row(
        "train_step",
        "Training speed over that of {peer}, the same model",
        ["ratio"],
        headline=True,
    ),
    Row(
        "train_step",
        "Training, share of a large matrix product's speed",
        ["sgemm_fraction"],
        headline=True,
    ),
    Row("train_step", "The same by {peer}", ["peer_sgemm_fraction"]),
    Row("train_step", "Training, target tokens a second", ["tokens_per_s"], "{:,.0f}"),
    Row("train_step", "The same by {peer}", ["peer_tokens_per_s"], "{:,.0f}"),
    Row("train_step", _SGEMM, ["sgemm_gflops"], "{:.0f}"),
    Row(
        "decode",
        "Translating text to text, greedy, batches of {batch_size}: sentences a second",
        ["sentences_per_s"],
        "{:,.1f}",
        headline=True,
    ),
    Row(
        "decode",
        "Times the speed of plain Keras; with 16 bits; with 16 bits and a shortlist",
        ["ratio", "bfloat16_ratio", "bfloat16_shortlist_ratio"],
        headline=True,
    ),
    Row(
        "decode",
        "The same by plain Keras: sentences a second",
        ["peer_sentences_per_s"],
        "{:,.1f}",
    ),
    Row(
        "decode",
        "Greedy search, share of a large matrix product's speed",
        ["sgemm_fraction"],
        headline=True,
    ),
    Row(
        "decode",
        "One sentence alone, greedy: ms",
        ["batch1_ms"],
        "{:.1f}",
        headline=True,
    ),
    Row("decode", "The same, 95th percentile: ms", ["batch1_p95_ms"], "{:.1f}"),
    Row(
        "decode",
        "One sentence alone, greedy, compiled by XLA; with the shortlist, too: ms",
        ["xla_batch1_ms", "shortlist_xla_batch1_ms"],
        "{:.1f}",
        headline=True,
    ),
    Row(
        "decode",
        "Beam 5, times the time of greedy search",
        ["beam5_over_greedy"],
        headline=True,
    ),
    Row("decode", "Beam 5: sentences a second", ["beam5_sentences_per_s"], "{:,.1f}"),
    Row(
        "decode",
        "With a shortlist of {shortlist} words a subword, greedy: sentences a second",
        ["shortlist_sentences_per_s"],
        "{:,.1f}",
        headline=True,
    ),
    Row(
        "decode",
        "The same, beam 5: sentences a second",
        ["shortlist_beam5_sentences_per_s"],
        "{:,.1f}",
    ),
    Row(
        "decode",
        "The same, one sentence alone, greedy: ms",
        ["shortlist_batch1_ms"],
        "{:.1f}",
    ),
    Row(
        "decode",
        "With weights of 16 bits, greedy; beam 5: sentences a second",
        ["bfloat16_sentences_per_s", "bfloat16_beam5_sentences_per_s"],
        "{:,.1f}",
    ),
    Row(
        "decode",
        "With both, greedy; beam 5: sentences a second",
        [
            "bfloat16_shortlist_sentences_per_s",
            "bfloat16_shortlist_beam5_sentences_per_s",
        ],
        "{:,.1f}",
    ),
    Row(
        "decode",
        "With both, one sentence alone, greedy: ms",
        ["bfloat16_shortlist_batch1_ms"],
        "{:.1f}",
    ),
    Row(
        "decode",
        "BLEU with weights of 16 bits, greedy; beam 5",
        ["bleu_bfloat16", "bleu_bfloat16_beam5"],
        "{:.1f}",
    ),
    Row(
        "decode",
        "Exported model, times the time of `Translator.translate`",
        ["exported_over_python"],
    ),
    Row(
        "decode",
        "Mean tokens read; written",
        ["mean_source_tokens", "mean_target_tokens"],
        "{:.1f}",
    ),
    Row("decode", "BLEU greedy; beam 5", ["bleu_greedy", "bleu_beam5"], "{:.1f}"),
    Row("decode", _SGEMM, ["sgemm_gflops"], "{:.0f}"),
    Row(
        "serve_roundtrip",
        "What gRPC adds to the time of a request of 1; 8; 32 sentences",
        _each("added_cost", *_ASKED),
        "{:.1%}",
        headline=True,
    ),
    Row(
        "serve_roundtrip",
        "A request of 1; 8; 32 sentences over gRPC, beam {beam_size}: ms",
        _each("grpc_ms", *_ASKED),
        "{:.1f}",
    ),
    Row(
        "serve_roundtrip",
        "The same, 95th percentile: ms",
        _each("grpc_p95_ms", *_ASKED),
        "{:.1f}",
    ),
    Row(
        "serve_roundtrip",
        "The same call without gRPC: ms",
        _each("inprocess_ms", *_ASKED),
        "{:.1f}",
    ),
    Row(
        "serve_roundtrip",
        "In a request of 32, reading the message; tokenising; all else in the graph; "
        "writing the answer: ms",
        _PARTS,
    ),
    Row("serve_roundtrip", "The client's reading of it: ms", ["client_read_ms"]),
    Row("serve_roundtrip", _SGEMM, ["sgemm_gflops"], "{:.0f}"),
    Row(
        "memory",
        "Memory of a training step grows with batch; source; target to the power of",
        _each("exponent", *_LENGTHS),
        headline=True,
    ),
    Row(
        "memory",
        "MB for each sentence and token of its two sides",
        ["mb_per_batch_token"],
        "{:.4f}",
    ),
    Row(
        "scaling",
        "Time of a training step grows with batch; source; target; vocabulary to the "
        "power of",
        _each("exponent", *_LENGTHS, "vocabulary"),
        headline=True,
    ),
    Row(
        "scaling",
        "The same counted: its matrix products, and the numbers it reads and writes, "
        "at the rates of the machine",
        _each("analytic_exponent", *_LENGTHS, "vocabulary"),
        headline=True,
    ),
    Row("scaling", "Largest difference of the two", ["largest_difference"]),
    Row(
        "scaling",
        "The same of its matrix products alone",
        _each("products_exponent", *_LENGTHS, "vocabulary"),
    ),
    Row(
        "scaling",
        "Numbers read and written by a sum of large arrays in the same run, GB/s",
        ["stream_gb_per_s"],
        "{:.1f}",
    ),
    Row("scaling", _SGEMM, ["sgemm_gflops"], "{:.0f}"),
)
