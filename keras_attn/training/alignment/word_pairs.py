"""Every source word with every target word of its sentence, counted over a corpus."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

__all__ = ["Couples", "SameShape", "couples_of", "likeliest", "numbered"]


@dataclasses.dataclass(frozen=True, eq=False)
class SameShape:
    """The sentence pairs of one shape.

    Attributes:
        rows: `(B,)`, which pairs of the corpus.
        sources: `(B, S)` ids of their source words.
        targets: `(B, T)` ids of their target words.
        couples: `(B, T, S)` int32, numbers of the couples in `Couples`.
    """

    rows: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    couples: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Couples:
    """What a corpus is to an aligner.

    Attributes:
        source: `(C,)` the source word of each couple that occurs.
        target: `(C,)` its target word. Couples are in the order of this one, then of
            the source word.
        source_size: One more than the largest id of a source word.
        target_size: One more than the largest id of a target word.
        groups: The pairs with a word on both sides, those of one shape together.
    """

    source: np.ndarray
    target: np.ndarray
    source_size: int
    target_size: int
    groups: Sequence[SameShape]


def couples_of(sources: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> Couples:
    """Numbers the couples of words that share a sentence pair.

    Args:
        sources: The ids of the words of each source sentence.
        targets: The ids of the words of its translation.

    Returns:
        The couples. Four bytes for each couple of each sentence are held in memory.

    Example:

    >>> sources, targets = [np.array([0, 1]), np.array([0])], [np.array([5, 6])] * 2
    >>> found = couples_of(sources, targets)
    >>> len(found.source), [group.couples.shape for group in found.groups]
    (4, [(1, 2, 2), (1, 2, 1)])
    """
    source_size, target_size = _size(sources), _size(targets)
    rows = defaultdict(list)
    for row, pair in enumerate(zip(sources, targets, strict=True)):
        if all(map(len, pair)):
            rows[tuple(map(len, pair))].append(row)
    groups = [
        (
            np.array(same),
            np.stack([sources[row] for row in same]),
            np.stack([targets[row] for row in same]),
        )
        for same in rows.values()
    ]
    keys = [t[:, :, None] * source_size + s[:, None, :] for _, s, t in groups]
    every = np.concatenate([np.zeros(0, "int64"), *(each.ravel() for each in keys)])
    distinct, numbers = np.unique(every, return_inverse=True)
    numbers = numbers.astype("int32")
    ends = np.cumsum([each.size for each in keys])
    return Couples(
        source=distinct % max(source_size, 1),
        target=distinct // max(source_size, 1),
        source_size=source_size,
        target_size=target_size,
        groups=[
            SameShape(*group, numbers[end - key.size : end].reshape(key.shape))
            for group, key, end in zip(groups, keys, ends, strict=True)
        ],
    )


def _size(sentences):
    return 1 + max((int(ids.max()) for ids in sentences if len(ids)), default=-1)


def numbered(sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """Returns int64 ids of the words of sentences, by their first occurrence from 0.

    Example:

    >>> [ids.tolist() for ids in numbered([["das", "Haus"], ["das"]])]
    [[0, 1], [0]]
    """
    ids: dict[str, int] = {}
    return [
        np.array([ids.setdefault(word, len(ids)) for word in words], "int64")
        for words in sentences
    ]


def likeliest(counts: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Returns the probabilities that make what was counted likeliest.

    p(the other word | the given one) = count of the couple / count of the given word.

    Args:
        counts: `(C,)`, how often each couple was a link.
        given: `(C,)` ids, the word of each couple that the other comes from.

    Returns:
        `(C,)`; 0 where the given word was in no link.
    """
    totals = np.bincount(given, counts)
    return counts / np.maximum(totals[given], np.finfo(float).tiny)
