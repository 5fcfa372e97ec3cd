"""Which target subwords translate a source subword: IBM Model 1."""

from collections.abc import Sequence

import numpy as np

from keras_attn.command_line import track_progress
from keras_attn.training.alignment.word_pairs import (
    index_cooccurrences,
    normalize_counts,
)

__all__ = ["translation_table"]

_ITERATIONS = 5


def translation_table(
    sources: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    source_size: int,
    candidates: int,
) -> np.ndarray:
    """Returns the most probable translations of each source subword.

    IBM Model 1, by expectation-maximisation: word order is ignored, and each target
    word is aligned to one source word of its sentence, or to none, for which id 0, the
    padding, stands.

    Args:
        sources: Ids of each source sentence, without padding. More than 100,000
            sentences change little and need much memory.
        targets: Ids of each target sentence.
        source_size: Size of the source vocabulary, `V`.
        candidates: Number of translations of each word, `C`.

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
    pairs = index_cooccurrences(
        [np.append(np.asarray(source, "int64"), 0) for source in sources],
        [np.asarray(target, "int64") for target in targets],
    )
    p = np.ones(len(pairs.source))
    for _ in track_progress(range(_ITERATIONS), "learning the translation table"):
        counts = np.zeros(len(p))
        for group in pairs.groups:
            posterior = p[group.word_pairs]
            posterior /= posterior.sum(axis=2, keepdims=True)
            np.add.at(counts, group.word_pairs, posterior)
        p = normalize_counts(counts, pairs.source)
    return _most_probable(pairs.source, pairs.target, p, source_size, candidates)


def _most_probable(source_ids, target_ids, p, source_size, candidates):
    """Returns the `candidates` most probable target ids of each source id."""
    order = np.lexsort((-p, source_ids))
    source_ids, target_ids = source_ids[order], target_ids[order]
    begins = np.searchsorted(source_ids, np.arange(source_size))
    rank = np.arange(len(source_ids))
    if len(source_ids):
        rank -= begins[source_ids]
    best = rank < candidates
    table = np.zeros((source_size, candidates), "int32")
    table[source_ids[best], rank[best]] = target_ids[best]
    table[0] = 0  # words that are aligned to none do not translate the padding
    return table
