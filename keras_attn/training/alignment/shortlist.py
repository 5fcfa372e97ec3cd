"""The shortlist of a translator, learnt from sentence pairs."""

from collections.abc import Sequence

import numpy as np

from keras_attn import Translator
from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist
from keras_attn.training.alignment.lexicon import (
    MOST_PAIRS,
    frequent_words,
    translation_table,
)
from keras_attn.training.batches.pipeline import Pipeline, make_pipeline
from keras_attn.training.corpora import CorpusError, SentencePair

__all__ = ["add_shortlist", "learn_shortlist"]

_BATCH = 256  # sentences that are read together
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
    codecs = source_codec, target_codec
    sides, times = _read(train, *codecs)
    return _learn(sides, times, *codecs, words)


def add_shortlist(
    translator: Translator, pairs: Sequence[SentencePair], words: int, name: str
) -> tuple[Translator, dict[str, int]]:
    """Gives a translator the words that its sources can be translated by.

    Args:
        translator: Left as it is. A shortlist that it has is not used.
        pairs: Sentence pairs of its languages. Those that are longer than it reads or
            writes, and empty ones, are not counted.
        words: Likely translations of each source subword.
        name: Of the pairs, for the message.

    Returns:
        A translator of the same model, and what was counted: `pairs`, `words`,
        `source_subwords`, and of those the ones `with_translation`.

    Raises:
        CorpusError: If most subwords of a side are unknown to the translator.
        ValueError: If no pair can be counted.
    """
    codecs = translator.source_codec, translator.target_codec
    train = make_pipeline(
        pairs,
        *codecs,
        batch_size=_BATCH,
        max_length=min(translator.max_source_length, translator.max_target_length),
        shuffle_seed=None,
    )
    sides, times = _read(train, *codecs)
    for side, codec, sentences in zip(("source", "target"), codecs, sides, strict=True):
        _check_known(side, codec, sentences, name)
    learnt = _learn(sides, times, *codecs, words)
    counted = {
        "pairs": train.kept,
        "words": words,
        "source_subwords": learnt.source_size,
        "with_translation": int(np.asarray(learnt.table).any(axis=1).sum()),
    }
    return translator.with_shortlist(learnt), counted


def _learn(sides, times, source_codec, codec, words):
    sources, targets = sides
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


def _read(train, source_codec, target_codec):
    """Returns sentences of both sides, and how often each target word occurs.

    Ids are without padding, with end tokens. Of a large corpus, words are counted in
    all of it, and sentences are some that are drawn from all of it.
    """
    chosen = np.ones(train.kept, bool)
    if train.kept > MOST_PAIRS:
        random = np.random.default_rng(0)
        dropped = random.choice(train.kept, train.kept - MOST_PAIRS, replace=False)
        chosen[dropped] = False
    sides: tuple[list[np.ndarray], list[np.ndarray]] = [], []
    times = np.zeros(target_codec.vocabulary_size, "int64")
    for batch in train.plan(None):
        inputs, labels = train.collate(batch)
        times += np.bincount(labels.ravel(), minlength=len(times))
        here = chosen[batch.indices]
        for ids, codec, rows in zip(
            sides,
            (source_codec, target_codec),
            (inputs["source"][here], labels[here]),
            strict=True,
        ):
            ids += [row[row != codec.pad_id] for row in rows]
    times[target_codec.pad_id] = 0
    return sides, times


def _check_known(side, codec, sentences, name):
    ids = np.concatenate(sentences)
    ids = ids[ids != codec.end_id]
    unknown = int((ids == codec.unknown_id).sum())
    if len(ids) and 2 * unknown >= len(ids):
        raise CorpusError(
            f"Pairs must be written in the subwords of the translator's {side} "
            f"vocabulary. Received: {name}, in whose {side} sentences {unknown:,} of "
            f"{len(ids):,} subwords are unknown to it. Are these its languages, in "
            "this order?"
        )
