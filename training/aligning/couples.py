"""Every source word with every target word of its sentence, counted over a corpus."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

__all__ = ["Couples", "SameShape", "couples_of"]


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
        target: `(C,)` its target word.
        source_size: Different source words.
        target_size: Different target words.
        groups: The pairs with a word on both sides, those of one shape together.
    """

    source: np.ndarray
    target: np.ndarray
    source_size: int
    target_size: int
    groups: Sequence[SameShape]


def couples_of(
    sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]
) -> Couples:
    """Numbers the words, and the couples of words that share a sentence pair.

    Args:
        sources: The words of each source sentence.
        targets: The words of its translation.

    Returns:
        The couples. Four bytes for each couple of each sentence are held in memory.

    Example:

    >>> found = couples_of([["das", "Haus"], ["das"]], [["the", "house"], ["the"]])
    >>> len(found.source), [group.couples.shape for group in found.groups]
    (4, [(1, 2, 2), (1, 1, 1)])
    """
    source_ids, source_size = _numbered(sources)
    target_ids, target_size = _numbered(targets)
    rows = defaultdict(list)
    for row, pair in enumerate(zip(source_ids, target_ids, strict=True)):
        if all(map(len, pair)):
            rows[tuple(map(len, pair))].append(row)
    groups = [
        (
            np.array(same),
            np.stack([source_ids[row] for row in same]),
            np.stack([target_ids[row] for row in same]),
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


def _numbered(sentences):
    ids: dict[str, int] = {}
    numbered = [
        np.array([ids.setdefault(word, len(ids)) for word in words], "int64")
        for words in sentences
    ]
    return numbered, len(ids)
