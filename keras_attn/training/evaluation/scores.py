"""Scores to cite: signatures, confidence intervals, significance, by source length."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras_attn.metrics import bleu_by_length, resampled_scores
from keras_attn.text.words import word_spans
from keras_attn.training.corpora import SentencePair

__all__ = ["cited_scores", "table_of_scores"]

_METRICS = ("bleu", "bleu_lowercase", "chrf", "ter")
_LOWERCASE = ("chrf_lowercase", "ter_lowercase")
_LABELS = {
    "bleu": "BLEU",
    "bleu_lowercase": "BLEU, lower-cased",
    "chrf": "chrF2",
    "chrf_lowercase": "chrF2, lower-cased",
    "ter": "TER (lower is better)",
    "ter_lowercase": "TER, lower-cased",
}


def cited_scores(
    pairs: Sequence[SentencePair],
    outputs: Sequence[str],
    *,
    against: tuple[str, Sequence[str]] | None = None,
    lowercase: bool = False,
) -> dict[str, Any]:
    """Scores the translations of a test set, with all that a citation needs.

    Args:
        pairs: Sources and references.
        outputs: The translations, in the same order.
        against: Name and translations of a system to compare with.
        lowercase: Whether to score lower-cased chrF and TER, too, as BLEU always is.

    Returns:
        Ready for JSON: for each metric `M` the keys `M`, `M_mean` and `M_half_width` of
        its 95 % interval and `M_signature`; with `against`, its name as `against`,
        and `M_against`, `M_difference` (ours less theirs) and `M_p_value`;
        `by_length`, see `keras_attn.metrics.bleu_by_length`, by number of source words
        as `keras_attn.text.word_spans` counts them.

    Raises:
        ValueError: If there is no pair.
    """
    references = [pair.target for pair in pairs]
    metrics = (*_METRICS, *(_LOWERCASE if lowercase else ()))
    name, others = against or (None, None)
    results = resampled_scores(outputs, references, against=others, metrics=metrics)
    scores: dict[str, Any] = {}
    for metric, result in results.items():
        scores[metric] = result.score
        scores[f"{metric}_mean"] = result.mean
        scores[f"{metric}_half_width"] = result.half_width
        scores[f"{metric}_signature"] = result.signature
        if result.against is not None:
            scores[f"{metric}_against"] = result.against
            scores[f"{metric}_difference"] = result.score - result.against
            scores[f"{metric}_p_value"] = result.p_value
    if name is not None:
        scores["against"] = name
    lengths = [len(word_spans(pair.source)) for pair in pairs]
    scores["by_length"] = bleu_by_length(lengths, outputs, references)
    return scores


def table_of_scores(scores: Mapping[str, Any]) -> str:
    """Formats scores as tables for people.

    Args:
        scores: From `cited_scores`, and other values by name.

    Returns:
        The other values, a table of the metrics, one of the lengths, the signatures.
    """
    metrics = [name for name in _LABELS if f"{name}_mean" in scores]
    plain = [
        f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}"
        for name, value in scores.items()
        if not any(name == m or name.startswith(f"{m}_") for m in metrics)
        and name not in ("by_length", "against")
    ]
    blocks = [
        plain,
        _aligned(_metric_rows(scores, metrics)),
        _aligned(_length_rows(scores["by_length"])),
        [scores[f"{name}_signature"] for name in metrics],
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def _metric_rows(scores, metrics):
    other = scores.get("against")
    head = ["", "score", "95 % interval"]
    rows = [head + ([str(other), "difference", "p"] if other else [])]
    for name in metrics:
        mean, half = scores[f"{name}_mean"], scores[f"{name}_half_width"]
        row = [_LABELS[name], f"{scores[name]:.1f}", f"{mean:.1f} ± {half:.1f}"]
        if other:
            row += [
                f"{scores[f'{name}_against']:.1f}",
                f"{scores[f'{name}_difference']:+.1f}",
                f"{scores[f'{name}_p_value']:.4f}",
            ]
        rows.append(row)
    return rows


def _length_rows(bins):
    rows = [["source words", "sentences", "BLEU", "lower-cased"]]
    for length_bin in bins:
        end = "more" if length_bin["to"] is None else length_bin["to"]
        rows.append(
            [
                f"{length_bin['from']} to {end}",
                str(length_bin["sentences"]),
                f"{length_bin['bleu']:.1f}",
                f"{length_bin['bleu_lowercase']:.1f}",
            ]
        )
    return rows


def _aligned(rows):
    """Formats rows as lines, first column left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [
            cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)
        ]
        lines.append("  ".join(cells))
    return lines
