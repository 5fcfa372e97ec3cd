"""Sentence-level chrF of every text against every other one of a few."""

from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["pairwise_chrf"]

_ORDERS = 6  # character n-grams of 1 to 6
_BETA = 2  # recall weighs twice as much as precision


def pairwise_chrf(texts: Sequence[str]) -> np.ndarray:
    """Returns chrF2 of each text, as a translation, against each, as the reference.

    With `P` and `R` the precision and recall of character n-grams, averaged over the
    orders 1 to 6 of which both texts have n-grams,

        chrF2 = 100 * (1 + 2^2) P R / (2^2 P + R)

    and 0 where no n-gram is in both. White space does not count. The numbers are those
    of sacreBLEU's sentence-level chrF, computed for all pairs at once.

    Args:
        texts: `N` texts, such as the candidate translations of a sentence.

    Returns:
        `(N, N)` float64 from 0 to 100; entry `[i, j]` is the score of text `i` with
        text `j` as its reference.

    Example:

    >>> pairwise_chrf(["the dog", "the cat", "the dog"]).round().astype(int).tolist()
    [[100, 19, 100], [19, 100, 19], [100, 19, 100]]

    Reference: Popović, 2015, "chrF: character n-gram F-score for automatic MT
        evaluation", WMT.
    """
    shape = (len(texts), len(texts))
    precision, recall, orders = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for counts in _ngram_counts(texts):
        matches, totals = _matches(counts), counts.sum(axis=1)
        in_both = (totals[:, None] > 0) & (totals > 0)
        precision += matches / np.maximum(totals, 1)[:, None]
        recall += matches / np.maximum(totals, 1)
        orders += in_both
    precision /= np.maximum(orders, 1)
    recall /= np.maximum(orders, 1)
    weighted = _BETA**2 * precision + recall
    # Without a match both are 0, and so is the score.
    weighted = np.where(weighted > 0, weighted, 1.0)
    return 100 * (1 + _BETA**2) * precision * recall / weighted


def _ngram_counts(texts: Sequence[str]) -> Iterator[np.ndarray]:
    """Yields how often each text has each n-gram, `(N, G)`, for each order."""
    characters = ["".join(text.split()) for text in texts]
    lengths = np.array([len(text) for text in characters], int)
    joined = "".join(characters).encode("utf-32-le", "surrogatepass")
    _, units = np.unique(np.frombuffer(joined, "<u4"), return_inverse=True)
    # An n-gram is the number of the one without its last character, and that
    # character; it belongs to the text and begins where the shorter one does.
    rows = np.repeat(np.arange(len(texts)), lengths)
    ends = np.cumsum(lengths)[rows]
    begins = np.arange(len(units))
    ngrams = np.zeros_like(units)
    for last in range(_ORDERS):
        inside = begins + last < ends
        begins, ends, rows, ngrams = (
            values[inside] for values in (begins, ends, rows, ngrams)
        )
        longer = ngrams * (len(joined) + 1) + units[begins + last]
        values, ngrams = np.unique(longer, return_inverse=True)
        size = len(values)
        counts = np.bincount(rows * size + ngrams, minlength=len(texts) * size)
        yield counts.reshape(len(texts), size)


def _matches(counts: np.ndarray) -> np.ndarray:
    """Returns `(N, N)`: the n-grams that two texts share, each as often as in both.

    The smaller of two counts is the number of `k` from 1 that neither is below, so that
    the sum over n-grams is a matrix product for each `k`.
    """
    matches = np.zeros((len(counts), len(counts)), np.float32)
    for k in range(1, counts.max(initial=0) + 1):
        counts = counts[:, (counts >= k).any(axis=0)]
        at_least = (counts >= k).astype(np.float32)
        matches += at_least @ at_least.T
    return matches
