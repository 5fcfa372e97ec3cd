"""Scores a translator on sentence pairs: BLEU, chrF, and AER of its links."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras_attn.command_line import track_progress
from keras_attn.decoding import Sampling
from keras_attn.metrics import (
    alignment_scores,
    links_from_attention,
    parse_pharaoh,
    relative_attention,
    score_corpus,
)
from keras_attn.training.alignment.forced_links import (
    alignment_links,
    word_attention,
)
from keras_attn.training.corpora import SentencePair
from keras_attn.translation import Translation

__all__ = ["Evaluation", "evaluate_translator"]

_CHUNK = 4  # batches, among which sentences of similar length are put together


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Translations of a test set and their scores.

    Attributes:
        hypotheses: The translations, in the order of the pairs.
        scores: Values by the name of the score, ready for JSON.
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
    split_sentences: str | None = None,
    sampling: Sampling | None = None,
    seed: int = 0,
    mbr: int | None = None,
    words: str = "marks",
    batch_size: int = 64,
    name: str = "translating",
) -> Evaluation:
    """Translates the sources and scores the translations against the targets.

    BLEU and chrF are those of the translations. Where pairs have a gold alignment, the
    reference, which the gold links are about, is scored by forced decoding: `aer` is
    that of the raw attention, `aer_relative` of `relative_attention`, `alignment_aer`
    of the translator's aligner, if it has one.

    Args:
        translator: A `keras_attn.Translator`.
        pairs: Sentences to translate, and the references.
        beam_size: Overrides the translator's own.
        length_penalty: Overrides the translator's own.
        coverage_penalty: Overrides the translator's own.
        split_sentences: Overrides the translator's own.
        sampling: As in `Translator.translate`.
        seed: That of the first sentence, with `sampling`; the others take the next
            integers.
        mbr: As in `Translator.translate`.
        words: Rule by which alignments count words, see `word_spans`.
        batch_size: Number of sentences in a batch.
        name: Name of the work, for the progress bar.

    Returns:
        The translations and scores.

    Raises:
        ValueError: If there is no pair.
    """
    if not pairs:
        raise ValueError("An evaluation needs sentence pairs. Received: none.")
    size = _CHUNK * batch_size
    chunks = [pairs[start : start + size] for start in range(0, len(pairs), size)]
    hypotheses: list[Translation] = []
    forced: list[Translation] = []
    aligned = [pair for pair in pairs if pair.alignment is not None]
    for chunk in track_progress(chunks, name, len(pairs), size):
        hypotheses += translator.translate(
            [pair.source for pair in chunk],
            beam_size=beam_size,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            split_sentences=split_sentences,
            sampling=sampling,
            seed=None if sampling is None else seed + len(hypotheses),
            mbr=mbr,
            batch_size=batch_size,
        )
        gold = [pair for pair in chunk if pair.alignment is not None]
        forced += translator.align(
            [pair.source for pair in gold],
            [pair.target for pair in gold],
            batch_size=batch_size,
        )
    scores = score_corpus(
        [hypothesis.text for hypothesis in hypotheses], [pair.target for pair in pairs]
    ).to_dict()
    scores["sentences"] = len(pairs)
    scores["truncated"] = sum(
        bool(hypothesis.source_truncated or hypothesis.target_truncated)
        for hypothesis in hypotheses
    )
    if aligned:
        gold_links = [parse_pharaoh(pair.alignment or "") for pair in aligned]
        attention = [word_attention(translation, words) for translation in forced]
        raw, relative = (
            alignment_scores(list(map(links_from_attention, matrices)), gold_links)
            for matrices in (attention, map(relative_attention, attention))
        )
        scores["aer"] = raw["aer"]
        scores["alignment_precision"] = raw["precision"]
        scores["alignment_recall"] = raw["recall"]
        scores["aer_relative"] = relative["aer"]
        if forced[0].alignment is not None:
            links = [alignment_links(translation, words) for translation in forced]
            aligner = alignment_scores(links, gold_links)
            scores["alignment_aer"] = aligner["aer"]
            scores["aligner_precision"] = aligner["precision"]
            scores["aligner_recall"] = aligner["recall"]
        scores["aligned_sentences"] = len(aligned)
    return Evaluation(hypotheses, scores)
