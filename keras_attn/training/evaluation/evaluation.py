"""Scores a translator on sentence pairs: BLEU, chrF, and AER of its attention."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from keras_attn.metrics import (
    alignment_scores,
    links_from_attention,
    parse_pharaoh,
    relative_attention,
    score_corpus,
)
from keras_attn.training.alignment.forced_links import word_attention
from keras_attn.training.corpora import SentencePair
from keras_attn.translation import Translation

__all__ = ["Evaluation", "evaluate_translator"]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a translator reached on a set of pairs.

    Attributes:
        hypotheses: Its translations, in the order of the pairs.
        scores: Name of each figure and its value, ready for JSON.
    """

    hypotheses: Sequence[Translation]
    scores: dict[str, Any]


def evaluate_translator(
    translator: Any,
    pairs: Sequence[SentencePair],
    *,
    beam_size: int | None = None,
    length_penalty: float | None = None,
    coverage_penalty: float | None = None,
    words: str = "marks",
    batch_size: int = 64,
    track: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Evaluation:
    """Translates the sources, and compares with the targets.

    BLEU and chrF are of the translations found. AER, where pairs have a gold
    alignment, is of the raw attention while the model writes the reference, since
    that is what the gold links are of.

    Args:
        translator: A `keras_attn.Translator`.
        pairs: What to translate, and the references.
        beam_size: Overrides the translator's own.
        length_penalty: Overrides the translator's own.
        coverage_penalty: Overrides the translator's own.
        words: Which words alignments count, a rule of `word_spans`.
        batch_size: Sentences computed together.
        track: Wraps the list of chunks of work, to show progress.

    Returns:
        The translations and scores.

    Raises:
        ValueError: If there is no pair.
    """
    if not pairs:
        raise ValueError("An evaluation needs sentence pairs. Received: none.")
    chunks = [
        pairs[start : start + 4 * batch_size]
        for start in range(0, len(pairs), 4 * batch_size)
    ]
    found: list[Translation] = []
    forced: list[Translation] = []
    aligned = [pair for pair in pairs if pair.alignment is not None]
    for chunk in track(chunks):
        found += translator.translate(
            [pair.source for pair in chunk],
            beam_size=beam_size,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            batch_size=batch_size,
        )
        gold = [pair for pair in chunk if pair.alignment is not None]
        forced += translator.align(
            [pair.source for pair in gold],
            [pair.target for pair in gold],
            batch_size=batch_size,
        )
    scores = score_corpus(
        [answer.text for answer in found], [pair.target for pair in pairs]
    ).to_dict()
    scores["sentences"] = len(pairs)
    scores["truncated"] = sum(
        bool(answer.source_truncated or answer.target_truncated) for answer in found
    )
    if aligned:
        gold_links = [parse_pharaoh(pair.alignment) for pair in aligned]
        attention = [word_attention(answer, words) for answer in forced]
        quality, relative = (
            alignment_scores(list(map(links_from_attention, each)), gold_links)
            for each in (attention, map(relative_attention, attention))
        )
        scores["aer"] = quality["aer"]
        scores["alignment_precision"] = quality["precision"]
        scores["alignment_recall"] = quality["recall"]
        scores["aer_relative"] = relative["aer"]
        scores["aligned_sentences"] = len(aligned)
    return Evaluation(found, scores)
