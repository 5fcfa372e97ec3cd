"""Confidence intervals of corpus scores and significance of differences."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from keras_attn.metrics.corpus_scores import (
    check_pairs,
    import_sacrebleu,
    one_line,
    percent,
)

__all__ = ["METRICS", "ResampledScore", "resampled_scores"]

METRICS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "bleu": ("BLEU", {}),
    "bleu_lowercase": ("BLEU", {"lowercase": True}),
    "chrf": ("CHRF", {}),
    "chrf_lowercase": ("CHRF", {"lowercase": True}),
    # sacreBLEU's TER looks at lower-cased text unless it is told otherwise.
    "ter": ("TER", {"case_sensitive": True}),
    "ter_lowercase": ("TER", {"case_sensitive": False}),
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ResampledScore:
    """A corpus score with its 95 % confidence interval.

    Attributes:
        score: Score of the whole corpus, 0 to 100 (TER may be above).
        mean: Mean over the resampled corpora.
        half_width: 95 % of the resampled corpora score within `mean +- half_width`.
        signature: sacreBLEU's signature, with resamples and seed.
        against: Score of the system compared with, or `None`.
        p_value: Probability of a difference as large as that to `against` if both
            systems were equally good, or `None`.
    """

    score: float
    mean: float
    half_width: float
    signature: str
    against: float | None = None
    p_value: float | None = None


def resampled_scores(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    against: Sequence[str] | None = None,
    metrics: Sequence[str] = ("bleu", "bleu_lowercase", "chrf", "ter"),
    resamples: int = 1000,
) -> dict[str, ResampledScore]:
    """Scores translations with bootstrap intervals, or against another system.

    Corpora of as many sentences are drawn from the test with replacement and scored
    again. With `against`, both systems are scored on the same draws (paired
    bootstrap), which tells far smaller differences from chance than two intervals
    beside each other do. All of it is computed by sacreBLEU, by its seed
    (`SACREBLEU_SEED`, 12345).

    Args:
        hypotheses: The translations, plain detokenised text.
        references: The reference translations, in the same order.
        against: Translations of the same sentences by another system.
        metrics: Names from `METRICS`.
        resamples: Number of corpora to draw. They take up to 72 bytes a sentence each:
            1000 of 3000 sentences about 200 MB.

    Returns:
        A score for each metric, in the order asked for.

    Raises:
        TypeError: If one of the texts is a single string.
        ValueError: If there is nothing to score, not as much on all sides, a metric
            has no such name, or `resamples` is below 2.
        ImportError: If sacreBLEU is not installed.

    Example:

    >>> texts = ["the dog sees a cat", "a man walks in the park"]
    >>> scores = resampled_scores(texts, texts, against=["the dog", "a man walks"])
    >>> scores["bleu"].score, scores["bleu"].p_value < 0.05
    (100.0, True)
    >>> scores["ter"].score, round(scores["ter"].against, 1)
    (0.0, 54.5)

    Reference: Koehn, 2004, "Statistical Significance Tests for Machine Translation
    Evaluation"; Snover et al., 2006 (TER).
    """
    _check(hypotheses, references, against, metrics, resamples)
    systems = [("hypotheses", list(map(one_line, hypotheses)))]
    if against is not None:
        # The first system is the one that the others are compared with.
        systems.insert(0, ("against", list(map(one_line, against))))
    streams = [list(map(one_line, references))]
    return {name: _resample(name, systems, streams, resamples) for name in metrics}


def _resample(name, systems, streams, resamples):
    import_sacrebleu()
    import sacrebleu.metrics
    from sacrebleu.significance import PairedTest

    kind, options = METRICS[name]
    metric = getattr(sacrebleu.metrics, kind)(**options)
    # One metric a test: sacreBLEU tells them apart by name, which has no case.
    test = PairedTest(
        systems, {name: metric}, streams, test_type="bs", n_samples=resamples
    )
    signatures, results = test()
    [(label, signature)] = signatures.items()
    *others, result = results[label]
    p_value = float(result.p_value) if others else None
    if others and result.score == others[0].score:
        # sacreBLEU counts draws with a larger difference than this. Of two equal
        # outputs no draw has any, and it would call them significantly different.
        p_value = 1.0
    return ResampledScore(
        score=percent(result.score),
        mean=percent(result.mean),
        half_width=float(result.ci),
        signature=f"{label}|{signature}",
        against=percent(others[0].score) if others else None,
        p_value=p_value,
    )


def _check(hypotheses, references, against, metrics, resamples):
    check_pairs(hypotheses, references)
    if against is not None:
        check_pairs(against, references, "against")
    for name in metrics:
        if name not in METRICS:
            raise ValueError(
                f"A metric is one of {', '.join(METRICS)}. Received: metric={name!r}."
            )
    if resamples < 2:
        raise ValueError(
            "An interval needs at least 2 resamples; 1000 are usual. "
            f"Received: resamples={resamples}."
        )
