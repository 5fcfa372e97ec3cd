"""Source and target words that occur in one sentence pair, indexed over a corpus."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

__all__ = [
    "PairGroup",
    "WordPairs",
    "index_cooccurrences",
    "normalize_counts",
    "word_ids",
]


@dataclasses.dataclass(frozen=True, eq=False)
class PairGroup:
    """Sentence pairs with the same two lengths.

    Attributes:
        rows: `(B,)` indices of the sentence pairs in the corpus.
        sources: `(B, S)` ids of the source words.
        targets: `(B, T)` ids of the target words.
        word_pairs: `(B, T, S)` int32, indices into `WordPairs.source` and `.target`.
    """

    rows: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    word_pairs: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class WordPairs:
    """The distinct word pairs of a corpus and where they occur.

    Attributes:
        source: `(C,)` source word id of each word pair.
        target: `(C,)` target word id of each word pair; they are sorted by target id,
            then by source id.
        source_size: Largest source word id plus 1.
        target_size: Largest target word id plus 1.
        groups: The sentence pairs with words on both sides, grouped by lengths.
    """

    source: np.ndarray
    target: np.ndarray
    source_size: int
    target_size: int
    groups: Sequence[PairGroup]


def index_cooccurrences(
    sources: Sequence[np.ndarray], targets: Sequence[np.ndarray]
) -> WordPairs:
    """Indexes the word pairs that co-occur in a sentence pair.

    Args:
        sources: Word ids of each source sentence.
        targets: Word ids of its translation.

    Returns:
        The word pairs. Four bytes are held in memory for each occurrence.

    Example:

    >>> sources, targets = [np.array([0, 1]), np.array([0])], [np.array([5, 6])] * 2
    >>> pairs = index_cooccurrences(sources, targets)
    >>> len(pairs.source), [group.word_pairs.shape for group in pairs.groups]
    (4, [(1, 2, 2), (1, 2, 1)])
    """
    source_size, target_size = _vocabulary_size(sources), _vocabulary_size(targets)
    rows = defaultdict(list)
    for row, pair in enumerate(zip(sources, targets, strict=True)):
        if all(map(len, pair)):
            rows[tuple(map(len, pair))].append(row)
    groups = [
        (
            np.array(group),
            np.stack([sources[row] for row in group]),
            np.stack([targets[row] for row in group]),
        )
        for group in rows.values()
    ]
    keys = [t[:, :, None] * source_size + s[:, None, :] for _, s, t in groups]
    flat_keys = np.concatenate([np.zeros(0, "int64"), *(key.ravel() for key in keys)])
    distinct, indices = np.unique(flat_keys, return_inverse=True)
    indices = indices.astype("int32")
    ends = np.cumsum([key.size for key in keys])
    return WordPairs(
        source=distinct % max(source_size, 1),
        target=distinct // max(source_size, 1),
        source_size=source_size,
        target_size=target_size,
        groups=[
            PairGroup(*group, indices[end - key.size : end].reshape(key.shape))
            for group, key, end in zip(groups, keys, ends, strict=True)
        ],
    )


def _vocabulary_size(sentences):
    return 1 + max((int(ids.max()) for ids in sentences if len(ids)), default=-1)


def word_ids(sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """Returns int64 word ids of sentences, numbered from 0 by first occurrence.

    Example:

    >>> [ids.tolist() for ids in word_ids([["das", "Haus"], ["das"]])]
    [[0, 1], [0]]
    """
    ids: dict[str, int] = {}
    return [
        np.array([ids.setdefault(word, len(ids)) for word in words], "int64")
        for words in sentences
    ]


def normalize_counts(counts: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Returns maximum-likelihood estimates of p(other word | given word).

    p = count of the word pair / count of all word pairs with the given word.

    Args:
        counts: `(C,)` expected number of links of each word pair.
        given: `(C,)` id of the given word of each word pair.

    Returns:
        `(C,)` probabilities; 0 where the given word was never linked.
    """
    totals = np.bincount(given, counts)
    return counts / np.maximum(totals[given], np.finfo(float).tiny)
