"""Minimum Bayes risk: the candidate translation that agrees most with the others."""

from collections.abc import Sequence

import numpy as np

from keras_attn.metrics.sentence_chrf import pairwise_chrf

__all__ = ["minimum_bayes_risk"]

_TIE = 1e-9  # chrF points, more than rounding makes of equal sums


def minimum_bayes_risk(
    candidates: Sequence[str],
    scores: Sequence[float] | np.ndarray | None = None,
    *,
    weighted: bool = False,
) -> int:
    """Returns the number of the candidate with the greatest expected utility.

    Among candidates `y_1 .. y_n`, with `u` the sentence-level chrF2 of a translation
    against a reference, it is

        argmax_i  sum_j p_j u(y_i, y_j)

    where `p_j = 1 / n` for samples of a model, whose probabilities their frequencies
    stand for, or, for the n best of a beam, `p_j` is proportional to the probability
    that the model gives them. The most probable translation may be an odd one; this one
    is close to much of what the model finds probable. Texts without characters have a
    utility of 100 for each other.

    Args:
        candidates: `n` translations of one source; at least one. Repeated ones count
            as often.
        scores: Log p of each by the model, -inf for one that does not count; `None`:
            equal. Ties go to the higher score, and then to the first.
        weighted: Whether `p_j` is proportional to `exp(scores[j])`.

    Returns:
        A number from 0 to `n - 1`.

    Raises:
        ValueError: If there is no candidate, not one score for each, none above -inf,
            or scores are missing with `weighted`.

    Example: two of three agree in most of their words.

    >>> candidates = ["a cat is outside", "a dog runs home", "the dog runs home"]
    >>> minimum_bayes_risk(candidates)
    2
    >>> minimum_bayes_risk(candidates, scores=[-0.1, -4.0, -4.0], weighted=True)
    0

    Reference: Kumar and Byrne, 2004, "Minimum Bayes-Risk Decoding for Statistical
        Machine Translation" (n best); Eikema and Aziz, 2020, arXiv:2005.10283, section
        5 (samples).
    """
    log_p = _check_scores(candidates, scores, weighted)
    counted = np.flatnonzero(log_p > -np.inf).tolist()
    log_p = log_p[counted]
    weights = np.exp(log_p - log_p.max()) if weighted else np.ones(len(log_p))
    # Equal texts have equal utilities: each is compared once, with their joint weight.
    number_of: dict[str, int] = {}
    text_of = [number_of.setdefault(candidates[i], len(number_of)) for i in counted]
    text_weights = np.bincount(text_of, weights) / weights.sum()
    utility = pairwise_chrf(list(number_of))
    # Texts without characters have no n-gram in common, yet they are the same.
    blank = [number for text, number in number_of.items() if not text.strip()]
    utility[np.ix_(blank, blank)] = 100.0
    utilities = (utility @ text_weights)[text_of]
    best = utilities >= utilities.max() - _TIE
    return counted[int(np.argmax(np.where(best, log_p, -np.inf)))]


def _check_scores(candidates, scores, weighted):
    """Returns the scores as an array, zeros for none."""
    if len(candidates) == 0:
        raise ValueError("`candidates` must have at least one text. Received: none.")
    if scores is None:
        if weighted:
            raise ValueError(
                "Candidates are weighted by the probabilities of their scores. "
                "Received: weighted=True without `scores`."
            )
        return np.zeros(len(candidates))
    log_p = np.asarray(scores, float)
    if log_p.shape != (len(candidates),):
        raise ValueError(
            "`scores` must have one value for each candidate. Received: scores of "
            f"shape {log_p.shape} for candidates={len(candidates)}."
        )
    if not log_p.max() > -np.inf:
        raise ValueError(
            "At least one score must be above -inf, which stands for a candidate that "
            f"does not count. Received: scores={log_p.tolist()}."
        )
    return log_p
