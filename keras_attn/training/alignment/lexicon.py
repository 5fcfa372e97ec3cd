"""Which target subwords a source subword is translated by, counted from a corpus."""

from collections.abc import Sequence

import numpy as np

from keras_attn.training.alignment.word_pairs import couples_of, likeliest

__all__ = ["MOST_PAIRS", "frequent_words", "translation_table"]

MOST_PAIRS = 100_000  # more sentences change little and need much memory
_ROUNDS = 5


def translation_table(
    sources: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    source_size: int,
    candidates: int,
) -> np.ndarray:
    """Returns the most probable translations of each source subword.

    Model 1 of IBM, by expectation and maximisation: any order of words is as good as
    any other, and each target word comes from one source word of its sentence, or
    from none, for which id 0, the padding, stands.

    Args:
        sources: Ids of each source sentence, without padding; `MOST_PAIRS` are enough.
        targets: Ids of each target sentence.
        source_size: Size of the source vocabulary `V`.
        candidates: Translations wanted of each word, `C`.

    Returns:
        `(V, C)` int32, best first; zeros where a word has fewer, and for the padding.

    Example:

    >>> sources = [np.array([1, 2]), np.array([1, 3])]
    >>> targets = [np.array([5, 6]), np.array([5, 7])]
    >>> translation_table(sources, targets, 4, 1)[1:].tolist()
    [[5], [6], [7]]

    Reference: Brown et al., 1993, "The Mathematics of Statistical Machine
    Translation", section 4.2.
    """
    heard = [np.append(np.asarray(source, "int64"), 0) for source in sources]
    said = [np.asarray(target, "int64") for target in targets]
    couples = couples_of(heard, said)
    p = np.ones(len(couples.source))
    for _ in range(_ROUNDS):
        counts = np.zeros(len(p))
        for group in couples.groups:
            share = p[group.couples]
            share /= share.sum(axis=2, keepdims=True)
            np.add.at(counts, group.couples, share)
        p = likeliest(counts, couples.source)
    return _best(couples.source, couples.target, p, source_size, candidates)


def _best(heard, said, p, source_size, candidates):
    """The `candidates` most probable `said` of each of `heard`."""
    order = np.lexsort((-p, heard))
    heard, said = heard[order], said[order]
    begins = np.searchsorted(heard, np.arange(source_size))
    rank = np.arange(len(heard)) - begins[heard] if len(heard) else heard
    kept = rank < candidates
    table = np.zeros((source_size, candidates), "int32")
    table[heard[kept], rank[kept]] = said[kept]
    table[0] = 0  # what comes from no word is no translation of the padding
    return table


def frequent_words(times: np.ndarray, count: int) -> np.ndarray:
    """Returns the ids that are most frequent, at most `count`.

    Args:
        times: `(V,)` how often each id occurs.
        count: Ids wanted.

    Example:

    >>> frequent_words(np.array([0, 0, 0, 0, 1, 3, 2]), 2).tolist()
    [5, 6]
    """
    order = np.argsort(-times, kind="stable")[:count]
    return order[times[order] > 0].astype("int32")
