"""The shortlist of a translator, learnt from the sentences that it is trained on."""

from collections.abc import Sequence

import numpy as np

from keras_attn.layers.lexical_shortlist import LexicalShortlist
from training.corpora import SentencePair
from training.lexicon import MOST_PAIRS, frequent_words, translation_table
from training.pipeline import Pipeline, make_pipeline

__all__ = ["learn_shortlist", "learn_shortlist_of_pairs"]

_ROWS = 64  # read together
_FREQUENT = 200  # words that every sentence may use: articles, prepositions, marks


def learn_shortlist(
    train: Pipeline, source_codec, target_codec, words: int
) -> LexicalShortlist:
    """Returns the words that a source can be translated by.

    Args:
        train: The training pairs.
        source_codec: Of their sources.
        target_codec: Of their targets.
        words: Likely translations of each source subword.
    """
    sources: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    chosen = np.ones(train.kept, bool)
    if train.kept > MOST_PAIRS:
        random = np.random.default_rng(0)
        chosen[random.choice(train.kept, train.kept - MOST_PAIRS, replace=False)] = (
            False
        )
    times = np.zeros(target_codec.vocabulary_size, "int64")
    for batch in train.plan(None):
        inputs, labels = train.collate(batch)
        times += np.bincount(labels.ravel(), minlength=len(times))
        here = chosen[batch.indices]
        for ids, codec, rows in (
            (sources, source_codec, inputs["source"][here]),
            (targets, target_codec, labels[here]),
        ):
            ids += [row[row != codec.pad_id] for row in rows]
    times[target_codec.pad_id] = 0
    codec = target_codec
    shortlist = LexicalShortlist(
        source_codec.vocabulary_size,
        codec.vocabulary_size,
        words,
        min(_FREQUENT, codec.vocabulary_size),
        (codec.pad_id, codec.unknown_id, codec.start_id, codec.end_id),
        pad_id=source_codec.pad_id,
    )
    shortlist.load(
        translation_table(sources, targets, source_codec.vocabulary_size, words),
        frequent_words(times, shortlist.frequent),
    )
    return shortlist


def learn_shortlist_of_pairs(
    pairs: Sequence[SentencePair],
    source_codec,
    target_codec,
    words: int,
    max_length: int,
) -> LexicalShortlist:
    """Returns a shortlist for a translator that was trained before.

    Args:
        pairs: To learn from.
        source_codec: Of the translator.
        target_codec: Of the translator.
        words: Likely translations of each source subword.
        max_length: Pairs with more tokens on a side are left out.

    Raises:
        ValueError: If no pair is short enough.
    """
    train = make_pipeline(
        pairs,
        source_codec,
        target_codec,
        batch_size=_ROWS,
        max_length=max_length,
        shuffle_seed=None,
    )
    return learn_shortlist(train, source_codec, target_codec, words)
