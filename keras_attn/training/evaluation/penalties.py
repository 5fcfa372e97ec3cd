"""Length and coverage penalties by their BLEU on validation sentences."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras_attn.training.corpora import SentencePair
from keras_attn.training.evaluation.evaluate import evaluate_translator

__all__ = ["PenaltyScore", "tune_penalties"]

_LENGTH_PENALTIES = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6)
# Small ones, too: log coverage sums over the source, mean log p does not grow with it.
_COVERAGE_PENALTIES = (0.01, 0.03, 0.1, 0.2, 0.4)


class PenaltyScore(NamedTuple):
    """The cased BLEU of a beam search with these penalties."""

    length_penalty: float
    coverage_penalty: float
    bleu: float


def tune_penalties(
    translator: Any, pairs: Sequence[SentencePair], **options: Any
) -> list[PenaltyScore]:
    """Scores length penalties from 0.4 to 1.6, then coverage penalties up to 0.4.

    The translator's own penalties come first, then length penalties without a coverage
    penalty, then coverage penalties with the best length penalty.

    Args:
        translator: A `keras_attn.Translator`.
        pairs: Validation sentences and their references; never those of a test.
        **options: Passed to `evaluate_translator`.

    Returns:
        The scores, the best first; of equal ones, the first that was tried.

    Raises:
        ValueError: If the search is greedy, which penalties do not change.
    """
    if (options.get("beam_size") or translator.beam_size) == 1:
        raise ValueError(
            "Penalties choose among the hypotheses of a beam. Received: beam_size=1. "
            "Give a beam size of 2 or more."
        )
    pairs = [SentencePair(pair.source, pair.target) for pair in pairs]  # without AER
    scores: list[PenaltyScore] = []

    def score(length_penalty, coverage_penalty=0.0):
        evaluation = evaluate_translator(
            translator,
            pairs,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            name=f"length penalty {length_penalty}, coverage penalty "
            f"{coverage_penalty}",
            **options,
        )
        bleu = evaluation.scores["bleu"]
        scores.append(PenaltyScore(length_penalty, coverage_penalty, bleu))

    own = translator.length_penalty, translator.coverage_penalty
    score(*own)
    for penalty in _LENGTH_PENALTIES:
        if (penalty, 0.0) != own:
            score(penalty)
    without_coverage = [score for score in scores if not score.coverage_penalty]
    best_length = max(without_coverage, key=lambda score: score.bleu).length_penalty
    for penalty in _COVERAGE_PENALTIES:
        if (best_length, penalty) != own:
            score(best_length, penalty)
    return sorted(scores, key=lambda score: -score.bleu)
