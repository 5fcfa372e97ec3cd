"""Some of the pairs of a large corpus, spread over all of it."""

import itertools
from collections.abc import Sequence

import numpy as np

from keras_attn.training.corpora.pairs import SentencePair
from keras_attn.training.progress import shown

__all__ = ["sample_pairs"]


def sample_pairs(
    pairs: Sequence[SentencePair], sentences: int | None, sides: int = 1, seed: int = 0
) -> Sequence[SentencePair]:
    """Returns pairs to learn subwords from, each as likely as any other.

    The corpus is cut into as many stretches of one length as pairs are wanted, and one
    pair is drawn from each: no part of it is left out, and nothing but the sample is in
    memory.

    Args:
        pairs: All of them; read once.
        sentences: Most sentences to learn from; `None`: all.
        sides: Sentences that a pair counts for.
        seed: Of the drawing. It is the same for all runs, so that runs on one corpus
            have one vocabulary.

    Returns:
        The pairs in their order; all of them where they are no more than wanted.

    Example:
    >>> pairs = [SentencePair(str(n), "x") for n in range(1000)]
    >>> [int(pair.source) // 250 for pair in sample_pairs(pairs, 4)]
    [0, 1, 2, 3]
    """
    if sentences is None or sides * len(pairs) <= sentences:
        return pairs
    count = max(1, sentences // sides)
    where = np.arange(count) + np.random.default_rng(seed).random(count)
    # A sum may be rounded up to the next whole number, so beyond the last pair.
    rows = np.minimum(where * len(pairs) / count, len(pairs) - 1).astype("int64")
    wanted = np.zeros(len(pairs), bool)
    wanted[rows] = True
    # Stretches need not begin at whole pairs, so two may draw the same one.
    return list(
        itertools.compress(shown(pairs, "sampling sentences", len(pairs)), wanted)
    )
