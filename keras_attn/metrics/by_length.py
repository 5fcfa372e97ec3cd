"""BLEU of short and of long sentences, each bin a corpus of its own."""

from collections.abc import Sequence
from typing import Any

from keras_attn.metrics.corpus_scores import check_pairs, score_corpus

__all__ = ["LENGTH_EDGES", "bleu_by_length"]

LENGTH_EDGES = (10, 20, 30, 40, 50)


def bleu_by_length(
    lengths: Sequence[int],
    hypotheses: Sequence[str],
    references: Sequence[str],
    edges: Sequence[int] = LENGTH_EDGES,
) -> list[dict[str, Any]]:
    """Scores translations by source length, in bins.

    A model that keeps a sentence in one vector gets worse with length, which the score
    of a whole test set does not show.

    Args:
        lengths: Number of words of each source.
        hypotheses: The translations.
        references: The reference translations, in the same order.
        edges: Last length of each bin, rising; longer sources go into one more bin.

    Returns:
        For each bin that has sentences, shortest first: `from` and `to` (`None` in
        the last: no limit), `sentences`, cased `bleu` and `bleu_lowercase`. BLEU
        of few sentences is unreliable.

    Raises:
        ValueError: If there is nothing to score, not as much on all sides, or the
            edges do not rise from 0 or more.

    Example:

    >>> for scores in bleu_by_length([2, 14], ["a dog", "x"], ["a dog", "y"]):
    ...     print(scores["from"], scores["to"], scores["sentences"])
    0 10 1
    11 20 1
    """
    check_pairs(hypotheses, references)
    if len(lengths) != len(references):
        raise ValueError(
            "Each sentence has a length. Received: "
            f"lengths={len(lengths)}, references={len(references)}."
        )
    if list(edges) != sorted({*edges}) or min(edges, default=0) < 0:
        raise ValueError(
            "The edges of bins rise from 0 or more. Received: "
            f"edges={tuple(edges)}. For example 10, 20, 30."
        )
    begins = [0, *(edge + 1 for edge in edges)]
    ends = [*edges, None]
    bins = []
    for begin, end in zip(begins, ends, strict=True):
        rows = [
            row
            for row, length in enumerate(lengths)
            if begin <= length and (end is None or length <= end)
        ]
        if rows:
            scores = score_corpus(
                [hypotheses[row] for row in rows], [references[row] for row in rows]
            )
            bins.append(
                {
                    "from": begin,
                    "to": end,
                    "sentences": len(rows),
                    "bleu": scores.bleu,
                    "bleu_lowercase": scores.bleu_lowercase,
                }
            )
    return bins
