"""Learns which words of a parallel corpus translate each other, from nothing else."""

from collections.abc import Callable, Sequence

import numpy as np

from keras_attn.training.alignment.forward_backward import forward_backward
from keras_attn.training.alignment.word_pairs import (
    Couples,
    couples_of,
    likeliest,
    numbered,
)

__all__ = ["learn_links"]

Link = tuple[int, int]

_WORD_ROUNDS, _ORDER_ROUNDS = 5, 5
_P_NULL = 0.1  # of a word that comes from no word
_UNIFORM = 0.1  # share of jumps to just any word
_LONGEST_JUMP = 40  # longer ones count as this long
_FIRST_JUMP = 3.0  # words: how fast jumps fall off before any was seen
_LEAST_AGREEMENT = 0.1


def learn_links(
    sources: Sequence[Sequence[str]],
    targets: Sequence[Sequence[str]],
    track: Callable[[range], Sequence[int]] = lambda rounds: rounds,
) -> list[frozenset[Link]]:
    """Aligns the words of every sentence pair of a corpus.

    Two models are learnt by expectation and maximisation, one that writes the target
    words from the source words and one the other way. First any order of words is as
    good as any other (Model 1 of IBM), then each word's place depends on the place of
    the one before (the hidden Markov model of `forward_backward`). Both count a link
    by the product of their probabilities for it: they learn from what they agree on.

    Two words are linked where the product is at least 0.1.

    Args:
        sources: The words of each source sentence. Words with the same letters are the
            same: fold their case first.
        targets: The words of its translation.
        track: Wraps the rounds over the corpus, to show progress.

    Returns:
        For each pair its links (source, target), counted from 0; none where a side is
        empty.

    Raises:
        ValueError: If there is not one target for each source.

    Example:

    >>> sources = [["das", "Haus"], ["das", "Buch"], ["ein", "Buch"]]
    >>> targets = [["the", "house"], ["the", "book"], ["a", "book"]]
    >>> [sorted(links) for links in learn_links(sources, targets)]
    [[(0, 0), (1, 1)], [(0, 0), (1, 1)], [(0, 0), (1, 1)]]

    Reference: Vogel, Ney and Tillmann, 1996, "HMM-Based Word Alignment in Statistical
    Translation"; Liang, Taskar and Klein, 2006, "Alignment by Agreement".
    """
    if len(sources) != len(targets):
        raise ValueError(
            "Each source needs one target. "
            f"Received: sources={len(sources)}, targets={len(targets)}."
        )
    couples = couples_of(numbered(sources), numbered(targets))
    there = _Direction(couples.source, couples.target_size)
    back = _Direction(couples.target, couples.source_size)
    for number in track(range(_WORD_ROUNDS + _ORDER_ROUNDS)):
        _learn_once(couples, there, back, in_order=number >= _WORD_ROUNDS)
    links: list[frozenset[Link]] = [frozenset()] * len(sources)
    for group in couples.groups:
        agreement = _agreement(group, there, back, True)[0]
        pairs: list[list[Link]] = [[] for _ in group.rows]
        for row, target, source in np.argwhere(agreement >= _LEAST_AGREEMENT).tolist():
            pairs[row].append((source, target))
        for row, found in zip(group.rows.tolist(), pairs, strict=True):
            links[row] = frozenset(found)
    return links


class _Direction:
    """The model that writes the words of one side from those of the other."""

    def __init__(self, given, size):
        self.given = given  # (C,) the word of each couple that the other comes from
        self.p = np.full(len(given), 1 / max(size, 1))  # (C,) of the other word
        self.null = self.p[:1].repeat(size)  # (size,) of a word that comes from none
        distance = np.arange(-_LONGEST_JUMP, _LONGEST_JUMP + 1)
        self.jumps = np.exp(-np.abs(distance - 1) / _FIRST_JUMP)

    def posteriors(self, couples, words, in_order):
        """Of sentence pairs with couples `(B, T, S)` and written words `(B, T)`."""
        sources = couples.shape[2]
        p_jump = np.full((sources + 1, sources), 1 / sources)
        if in_order:
            kept = self.jumps[_distances(sources)]
            kept /= kept.sum(axis=1, keepdims=True)
            p_jump = _UNIFORM * p_jump + (1 - _UNIFORM) * kept
        return forward_backward(self.p[couples], self.null[words], p_jump, _P_NULL)

    def update(self, counts, nulls, jumps):
        """Takes the probabilities that make what was counted likeliest."""
        self.p = likeliest(counts, self.given)
        # Never 0: a sentence that no alignment explains would have no posteriors.
        self.null = (nulls + 1e-6) / (nulls.sum() + 1e-6 * max(len(nulls), 1))
        if jumps is not None:
            self.jumps = jumps + 1e-6


def _distances(sources):
    """`(S + 1, S)`: words from the one before place i to place s, as an index."""
    distance = np.arange(sources) - np.arange(-1, sources)[:, None]
    return np.clip(distance, -_LONGEST_JUMP, _LONGEST_JUMP) + _LONGEST_JUMP


def _agreement(group, there, back, in_order):
    """Returns the product of both links, `(B, T, S)`, and the posteriors of both."""
    forward = there.posteriors(group.couples, group.targets, in_order)
    turned = group.couples.transpose(0, 2, 1)
    backward = back.posteriors(turned, group.sources, in_order)
    return forward.links * backward.links.transpose(0, 2, 1), forward, backward


def _learn_once(couples: Couples, there, back, in_order):
    """One round of expectation and maximisation, of both directions."""
    counts = np.zeros(len(couples.source))
    target_nulls = np.zeros(couples.target_size)
    source_nulls = np.zeros(couples.source_size)
    jumps = np.zeros((2, 2 * _LONGEST_JUMP + 1))
    for group in couples.groups:
        agreed, *both = _agreement(group, there, back, in_order)
        np.add.at(counts, group.couples, agreed)
        np.add.at(target_nulls, group.targets, np.maximum(1 - agreed.sum(2), 0))
        np.add.at(source_nulls, group.sources, np.maximum(1 - agreed.sum(1), 0))
        for seen, found in zip(jumps, both, strict=True):
            np.add.at(seen, _distances(found.jumps.shape[1]), found.jumps)
    there.update(counts, target_nulls, jumps[0] if in_order else None)
    back.update(counts, source_nulls, jumps[1] if in_order else None)
