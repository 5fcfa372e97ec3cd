"""The lexical shortlist of a translator, learned from sentence pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_attn import Translator
from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist
from keras_attn.text import SubwordCodec
from keras_attn.training.alignment.translation_table import translation_table
from keras_attn.training.batches.pipeline import Pipeline, make_pipeline
from keras_attn.training.corpora import CorpusError, SentencePair

__all__ = [
    "add_shortlist",
    "check_known",
    "frequent_ids",
    "learn_shortlist",
    "take_turns",
]

_BATCH_SIZE = 256
_MAX_PAIRS = 100_000  # for the translation table
_FREQUENT = 200  # subwords for every sentence: articles, prepositions, punctuation


def learn_shortlist(
    train: Pipeline,
    source_codec: SubwordCodec,
    target_codec: SubwordCodec,
    words: int,
    earlier: LexicalShortlist | None = None,
) -> LexicalShortlist:
    """Returns the shortlist of target subwords for each source subword.

    Args:
        train: The training pairs.
        source_codec: Codec of their sources.
        target_codec: Codec of their targets.
        words: Number of likely translations of each source subword.
        earlier: A shortlist learned from other pairs. Its words and the new ones, each
            in their order, take turns.
    """
    codecs = source_codec, target_codec
    sentences, counts = _read_sentences(train, *codecs)
    shortlist = _learn(sentences, counts, *codecs, words)
    if earlier is not None:
        table, always, earlier_table, earlier_always = (
            np.asarray(weight)
            for part in (shortlist, earlier)
            for weight in (part.table, part.always)
        )
        [always] = take_turns(always[np.newaxis], earlier_always[np.newaxis])
        shortlist.load(take_turns(table, earlier_table), always)
    return shortlist


def take_turns(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns rows of different ids, taken from two rows in turn.

    Args:
        first: `(N, C)` ids; 0: none.
        second: `(N, D)`, the same.

    Returns:
        `(N, C)`.

    Example:

    >>> take_turns(np.array([[5, 6, 7]]), np.array([[8, 5, 9]])).tolist()
    [[5, 8, 6]]
    """
    merged = np.zeros_like(first)
    width = max(first.shape[1], second.shape[1])
    both = np.zeros((len(first), width, 2), first.dtype)
    both[:, : first.shape[1], 0] = first
    both[:, : second.shape[1], 1] = second
    for row, ids in zip(merged, both.reshape(len(first), -1).tolist(), strict=True):
        different = [token_id for token_id in dict.fromkeys(ids) if token_id]
        row[: len(different)] = different[: len(row)]
    return merged


def add_shortlist(
    translator: Translator, pairs: Sequence[SentencePair], words: int, name: str
) -> tuple[Translator, dict[str, int]]:
    """Returns a translator with a shortlist, and what it was learned from.

    Args:
        translator: A translator, not changed. Its own shortlist is not used.
        pairs: Sentence pairs of its languages. Empty ones, and those that are longer
            than it reads or writes, are left out.
        words: Number of likely translations of each source subword.
        name: Name of the pairs, for the message.

    Returns:
        A translator with the same model, and the numbers of `pairs`, `words`,
        `source_subwords`, and of those `with_translation`.

    Raises:
        CorpusError: If most subwords of a side are unknown to the translator.
        ValueError: If no pair is left.
    """
    codecs = translator.source_codec, translator.target_codec
    train = make_pipeline(
        pairs,
        *codecs,
        batch_size=_BATCH_SIZE,
        max_length=min(translator.max_source_length, translator.max_target_length),
        shuffle_seed=None,
    )
    sentences, counts = _read_sentences(train, *codecs)
    for side, codec, ids in zip(("source", "target"), codecs, sentences, strict=True):
        check_known(side, codec, np.concatenate(ids), name)
    shortlist = _learn(sentences, counts, *codecs, words)
    statistics = {
        "pairs": train.pair_count,
        "words": words,
        "source_subwords": shortlist.source_size,
        "with_translation": int(np.asarray(shortlist.table).any(axis=1).sum()),
    }
    return translator.with_shortlist(shortlist), statistics


def _learn(sentences, counts, source_codec, target_codec, words):
    shortlist = LexicalShortlist(
        source_codec.vocabulary_size,
        target_codec.vocabulary_size,
        words,
        min(_FREQUENT, target_codec.vocabulary_size),
        (
            target_codec.pad_id,
            target_codec.unknown_id,
            target_codec.start_id,
            target_codec.end_id,
        ),
        pad_id=source_codec.pad_id,
    )
    shortlist.load(
        translation_table(*sentences, source_codec.vocabulary_size, words),
        frequent_ids(counts, shortlist.frequent),
    )
    return shortlist


def frequent_ids(counts: np.ndarray, size: int) -> np.ndarray:
    """Returns the most frequent ids, at most `size`.

    Args:
        counts: `(V,)` number of occurrences of each id.
        size: Number of ids.

    Example:

    >>> frequent_ids(np.array([0, 0, 0, 0, 1, 3, 2]), 2).tolist()
    [5, 6]
    """
    order = np.argsort(-counts, kind="stable")[:size]
    return order[counts[order] > 0].astype("int32")


def _read_sentences(train, source_codec, target_codec):
    """Returns ids of both sides, and the number of occurrences of each target id.

    Ids are without padding, with end tokens. The counts are those of all pairs; of a
    large corpus, sentences are a random sample.
    """
    sampled = np.ones(train.pair_count, bool)
    if train.pair_count > _MAX_PAIRS:
        random = np.random.default_rng(0)
        dropped = random.choice(
            train.pair_count, train.pair_count - _MAX_PAIRS, replace=False
        )
        sampled[dropped] = False
    sentences: tuple[list[np.ndarray], list[np.ndarray]] = [], []
    counts = np.zeros(target_codec.vocabulary_size, "int64")
    for batch in train.plan(None):
        inputs, labels = train.collate(batch)
        counts += np.bincount(labels.ravel(), minlength=len(counts))
        rows = sampled[batch.indices]
        for ids, codec, side in zip(
            sentences,
            (source_codec, target_codec),
            (inputs["source"][rows], labels[rows]),
            strict=True,
        ):
            ids += [row[row != codec.pad_id] for row in side]
    counts[target_codec.pad_id] = 0
    return sentences, counts


def check_known(side: str, codec: Any, ids: np.ndarray, name: str) -> None:
    """Refuses sentences of which a translator knows less than half.

    Args:
        side: `source` or `target`.
        codec: The translator's codec of that side.
        ids: The sentences' ids in one array.
        name: Name of the pairs, for the message.

    Raises:
        CorpusError: If half of the subwords or more are unknown.
    """
    ids = ids[ids != codec.end_id]
    unknown = int((ids == codec.unknown_id).sum())
    if len(ids) and 2 * unknown >= len(ids):
        raise CorpusError(
            f"Pairs must be written in the subwords of the translator's {side} "
            f"vocabulary. Received: {name}, in whose {side} sentences {unknown:,} of "
            f"{len(ids):,} subwords are unknown to it. Are these its languages, in "
            "this order?"
        )
