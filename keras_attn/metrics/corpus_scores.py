"""BLEU and chrF of a whole corpus through sacreBLEU, with their signatures."""

import dataclasses
from collections.abc import Sequence
from typing import Any

__all__ = ["CorpusScores", "score_corpus"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CorpusScores:
    """Corpus scores from 0 to 100, each with the signature that makes it comparable.

    Attributes:
        bleu: Cased BLEU on detokenised text, tokenised by sacreBLEU's `13a`.
        bleu_lowercase: The same with both sides lower-cased.
        chrf: chrF2, character n-grams up to 6, recall weighted twice.
        bleu_signature: Signature of `bleu`, as sacreBLEU's command prints it.
        bleu_lowercase_signature: Signature of `bleu_lowercase`.
        chrf_signature: Signature of `chrf`.
    """

    bleu: float
    bleu_lowercase: float
    chrf: float
    bleu_signature: str
    bleu_lowercase_signature: str
    chrf_signature: str

    def to_dict(self) -> dict[str, float | str]:
        """Returns the scores as values that `json.dumps` accepts."""
        return dataclasses.asdict(self)


def score_corpus(hypotheses: Sequence[str], references: Sequence[str]) -> CorpusScores:
    """Scores translations against one reference each.

    Both sides are plain, detokenised text: sacreBLEU does its own tokenising, so
    that scores of different systems can be compared. A line break inside a
    sentence counts as a blank.

    Args:
        hypotheses: The translations.
        references: The reference translations, in the same order.

    Returns:
        Cased and lower-cased BLEU and chrF2 with their signatures.

    Raises:
        TypeError: If one of the two is a single string.
        ValueError: If there is nothing to score, or not as much on both sides.
        ImportError: If sacreBLEU is not installed.

    Example:

    >>> scores = score_corpus(["the dog sees a cat"], ["The dog sees a cat"])
    >>> round(scores.bleu, 1), round(scores.bleu_lowercase, 1)
    (66.9, 100.0)

    Reference: Papineni et al., 2002 (BLEU); Popovic, 2015 (chrF); Post, 2018,
    "A Call for Clarity in Reporting BLEU Scores", arXiv:1804.08771.
    """
    check_pairs(hypotheses, references)
    bleu, chrf = import_sacrebleu()
    outputs = [one_line(text) for text in hypotheses]
    streams = [[one_line(text) for text in references]]
    cased, cased_signature = _score(bleu(), outputs, streams)
    lowercase, lowercase_signature = _score(bleu(lowercase=True), outputs, streams)
    characters, chrf_signature = _score(chrf(), outputs, streams)
    return CorpusScores(
        bleu=cased,
        bleu_lowercase=lowercase,
        chrf=characters,
        bleu_signature=cased_signature,
        bleu_lowercase_signature=lowercase_signature,
        chrf_signature=chrf_signature,
    )


def _score(metric, outputs, streams):
    result = metric.corpus_score(outputs, streams)
    return percent(result.score), f"{result.name}|{metric.get_signature()}"


def percent(score: float) -> float:
    """Returns a score as a float of at most 100, against rounding errors."""
    # The exponential of a mean of logarithms may come out a hair over.
    return 100.0 if 100 < score < 100 + 1e-6 else float(score)


def check_pairs(
    hypotheses: Sequence[str], references: Sequence[str], name: str = "hypotheses"
) -> None:
    """Raises unless there is one reference for each translation.

    Args:
        hypotheses: The translations.
        references: Their references.
        name: Argument that errors name for the translations.
    """
    for argument, texts in ((name, hypotheses), ("references", references)):
        if isinstance(texts, (str, bytes)):
            raise TypeError(
                f"`{argument}` must be a sequence of sentences, not one string. "
                f"Received: {argument}={texts!r}. Put it in a list."
            )
    if len(hypotheses) != len(references):
        raise ValueError(
            "Each translation needs exactly one reference. Received: "
            f"{name}={len(hypotheses)}, references={len(references)}."
        )
    if not hypotheses:
        raise ValueError(
            f"A corpus score needs at least one sentence. Received: {name}=0."
        )


def import_sacrebleu() -> tuple[Any, Any]:
    """Returns sacreBLEU's classes of BLEU and chrF, or says how to install it."""
    try:
        from sacrebleu.metrics import BLEU, CHRF
    except ImportError as error:
        raise ImportError(
            "Corpus scores are computed by sacreBLEU, which is not installed. "
            "Install it with: pip install 'keras-attn[train]'."
        ) from error
    return BLEU, CHRF


def one_line(text: str) -> str:
    """Returns a sentence with a blank for each of its line breaks."""
    return " ".join(text.splitlines())
