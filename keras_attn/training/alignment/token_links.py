"""From links between words to links between subwords, and into the batches."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_attn.metrics import Alignment, parse_pharaoh
from keras_attn.text.words import token_shares, word_spans
from keras_attn.training.batches.bucketing import Batch
from keras_attn.training.batches.pipeline import Pipeline
from keras_attn.training.corpora.pairs import CorpusError, SentencePair

__all__ = ["guided", "token_links"]

_AT_ONCE = 1024  # sentences


def guided(
    pipeline: Pipeline,
    pairs: Sequence[SentencePair],
    source_codec: Any,
    target_codec: Any,
    words: str,
) -> Pipeline:
    """Returns a pipeline whose batches say which of their tokens are linked.

    Args:
        pipeline: Made of the same pairs.
        pairs: Pairs with an `alignment` each.
        source_codec: That of the pipeline.
        target_codec: That of the pipeline.
        words: Which words the links count, a rule of `word_spans`.

    Returns:
        The pipeline with a further input `links` `(B, T, S)`, booleans: whether target
        token t and source token s are linked.

    Raises:
        CorpusError: If a pair has no alignment, or a link is to a word that is not
            there.
    """
    kept = [pairs[row] for row in pipeline.rows.tolist()]
    source, target = (
        _token_spans([getattr(pair, side) for pair in kept], codec, pipeline.max_length)
        for side, codec in (("source", source_codec), ("target", target_codec))
    )
    links = [
        token_links(*sentence, words).astype("int16")
        for sentence in zip(kept, source, target, strict=True)
    ]

    def collate(batch: Batch) -> Any:
        inputs, labels = pipeline.collate(batch)
        found = np.zeros((*labels.shape, inputs["source"].shape[1]), bool)
        for row, index in enumerate(batch.indices.tolist()):
            targets, sources = links[index].T
            found[row, targets, sources] = True
        return {**inputs, "links": found}, labels

    return dataclasses.replace(pipeline, collate=collate)


def token_links(
    pair: SentencePair,
    source_tokens: Sequence[tuple[int, int]],
    target_tokens: Sequence[tuple[int, int]],
    words: str = "marks",
) -> np.ndarray:
    """Says which subwords of a pair are linked by the links of its words.

    A target word has its sure links or, if there is none, its possible ones. Every
    token of a target word is linked to every token of the source words of its links.
    Which tokens are a word's, and whose a token is that lies in none, says
    `token_shares`. End tokens are not linked.

    Args:
        pair: With its `alignment`.
        source_tokens: `(begin, end)` of each source token in bytes, the end token last.
        target_tokens: Likewise of each target token.
        words: A rule of `word_spans`.

    Returns:
        `(N, 2)` int64, target and source token of each link, in order.

    Raises:
        CorpusError: If there is no alignment, or a link to a word that is not there.

    Example:

    >>> pair = SentencePair("Haustür", "front door", "0-0 0-1")
    >>> source, target = [(0, 4), (4, 8), (8, 8)], [(0, 5), (6, 10), (10, 10)]
    >>> token_links(pair, source, target).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    if pair.alignment is None:
        raise CorpusError(
            "Every pair must have an alignment to guide attention by. Received: none "
            f"for {pair.source!r}. Set alignment.links=learned, or give the corpus "
            "its links."
        )
    spans = [word_spans(text, words) for text in (pair.source, pair.target)]
    of_words = _of_words(pair, parse_pharaoh(pair.alignment), *spans)
    source, target = (
        (token_shares(tokens, found) > 0)[:, :-1].astype("int64")
        for tokens, found in zip((source_tokens, target_tokens), spans, strict=True)
    )
    return np.argwhere(target @ of_words @ source.T)


def _of_words(pair, alignment: Alignment, source_spans, target_spans):
    """Returns `(targets, sources)` int64, 1 where two words are linked."""
    sources, targets = len(source_spans), len(target_spans)
    sure, possible = np.zeros((2, targets, sources), "int64")
    for links, found in ((alignment.sure, sure), (alignment.possible, possible)):
        for source, target in links:
            if source >= sources or target >= targets:
                raise CorpusError(
                    "Links are between words of their pair, counted from 0. Received: "
                    f"{source}-{target} for {sources} words {pair.source!r} and "
                    f"{targets} words {pair.target!r}."
                )
            found[target, source] = 1
    return np.where(sure.any(axis=1, keepdims=True), sure, possible)


def _token_spans(texts, codec, max_length):
    """Returns the `(begin, end)` of each token of each text, the end token last."""
    from keras_attn.text import graph

    encode = graph.compile_texts(lambda text: codec.encode(text, max_length))
    spans = []
    for first in range(0, len(texts), _AT_ONCE):
        found = encode(graph.strings(texts[first : first + _AT_ONCE]))
        both = np.stack([found.begin, found.end], axis=-1)
        spans += [
            row[:length]
            for row, length in zip(both, np.asarray(found.lengths), strict=True)
        ]
    return spans
