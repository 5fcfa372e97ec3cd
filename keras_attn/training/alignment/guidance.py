"""Guided attention: word links of the pairs, and token links in the batches."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_attn.metrics import (
    Alignment,
    alignment_scores,
    format_pharaoh,
    parse_pharaoh,
)
from keras_attn.text.words import token_shares, word_spans
from keras_attn.training.alignment.hmm_aligner import learn_links
from keras_attn.training.batches.bucketing import Batch
from keras_attn.training.batches.pipeline import Pipeline
from keras_attn.training.corpora import Corpus, CorpusError, SentencePair
from keras_attn.translation import utf8

__all__ = ["add_token_links", "align_corpus", "casefolded_words", "token_links"]

_CHUNK = 1024  # sentences that are encoded together


def align_corpus(
    corpus: Corpus,
    links: str,
    words: str,
    log: Callable[[str], None],
    option: str = "alignment.links",
) -> Corpus:
    """Returns the corpus with an alignment for each training and validation pair.

    Args:
        corpus: The corpus as it was read.
        links: `corpus`: the alignments of its pairs. `learned`: alignments learned from
            these pairs; those of the corpus are only compared with them.
        words: Rule by which links count words, see `word_spans`.
        log: Gets lines for people.
        option: Name of the recipe's option that `links` is the value of.

    Raises:
        CorpusError: If `links` is `corpus`, and a pair has no alignment.
    """
    if links == "corpus":
        for name, split in (("train", corpus.train), ("validation", corpus.validation)):
            if any(pair.alignment is None for pair in split):
                languages = f"{corpus.source_language}-{corpus.target_language}"
                raise CorpusError(
                    f"With {option}=corpus each pair must come with its links. "
                    f"Received: pairs of {name!r} without. The built-in corpus has "
                    f"them; two files have them in STEM.{languages}.align. Or set "
                    f"{option}=learned."
                )
        return corpus
    pairs = [*corpus.train, *corpus.validation]
    aligned = align_pairs(pairs, words, log)
    with_gold = [
        (parse_pharaoh(learned.alignment or "").sure, parse_pharaoh(pair.alignment))
        for learned, pair in zip(aligned, pairs, strict=True)
        if pair.alignment is not None
    ]
    if with_gold:
        aer = alignment_scores(*zip(*with_gold, strict=True))["aer"]
        log(f"AER of the learned links against those of the corpus: {aer:.3f}")
    count = len(corpus.train)
    return dataclasses.replace(
        corpus,
        train=dataclasses.replace(corpus.train, pairs=aligned[:count]),
        validation=dataclasses.replace(corpus.validation, pairs=aligned[count:]),
    )


def align_pairs(
    pairs: Sequence[SentencePair], words: str, log: Callable[[str], None]
) -> tuple[SentencePair, ...]:
    """Returns pairs with alignments that are learned from all of them.

    Args:
        pairs: The pairs; alignments of their own are replaced.
        words: Rule by which links count words, see `word_spans`.
        log: Gets lines for people.
    """
    log(f"learning the word alignments of {len(pairs):,} pairs")
    learned = learn_links(
        [casefolded_words(pair.source, words) for pair in pairs],
        [casefolded_words(pair.target, words) for pair in pairs],
    )
    return tuple(
        dataclasses.replace(pair, alignment=format_pharaoh(Alignment(links)))
        for pair, links in zip(pairs, learned, strict=True)
    )


def casefolded_words(text: str, rule: str) -> list[str]:
    """Returns the words of a text in one case, since `Das` and `das` are one word.

    Example:

    >>> casefolded_words("Das Haus.", "marks")
    ['das', 'haus', '.']
    """
    data = utf8(text)
    return [
        data[begin:end].decode("utf-8").casefold()
        for begin, end in word_spans(text, rule)
    ]


def add_token_links(
    pipeline: Pipeline,
    pairs: Sequence[SentencePair],
    source_codec: Any,
    target_codec: Any,
    words: str,
) -> Pipeline:
    """Returns a pipeline whose batches have the links between their tokens.

    Args:
        pipeline: A pipeline of the same pairs.
        pairs: Pairs with an `alignment` each.
        source_codec: Source codec of the pipeline.
        target_codec: Target codec of the pipeline.
        words: Rule by which links count words, see `word_spans`.

    Returns:
        The pipeline with a further input `links` `(B, T, S)`, booleans: whether target
        token t and source token s are linked.

    Raises:
        CorpusError: If a pair has no alignment, or a link to a word that it lacks.
    """
    kept = [pairs[row] for row in pipeline.rows.tolist()]
    source, target = (
        _token_spans([getattr(pair, side) for pair in kept], codec, pipeline.max_length)
        for side, codec in (("source", source_codec), ("target", target_codec))
    )
    links = [
        token_links(*spans, words).astype("int16")
        for spans in zip(kept, source, target, strict=True)
    ]

    def collate(batch: Batch) -> Any:
        inputs, labels = pipeline.collate(batch)
        linked = np.zeros((*labels.shape, inputs["source"].shape[1]), bool)
        for row, index in enumerate(batch.indices.tolist()):
            targets, sources = links[index].T
            linked[row, targets, sources] = True
        return {**inputs, "links": linked}, labels

    return dataclasses.replace(pipeline, collate=collate)


def token_links(
    pair: SentencePair,
    source_tokens: Sequence[tuple[int, int]],
    target_tokens: Sequence[tuple[int, int]],
    words: str = "marks",
) -> np.ndarray:
    """Returns the links between the tokens of a pair, from those between its words.

    A target word has its sure links or, if there is none, its possible ones. Every
    token of a target word is linked to every token of the linked source words.
    `token_shares` assigns tokens to words, those between words too. End tokens are not
    linked.

    Args:
        pair: A pair with its `alignment`.
        source_tokens: `(begin, end)` of each source token in bytes, the end token last.
        target_tokens: The same of each target token.
        words: A rule of `word_spans`.

    Returns:
        `(N, 2)` int64, target and source token of each link, in order.

    Raises:
        CorpusError: If there is no alignment, or a link to a word that the pair lacks.

    Example:

    >>> pair = SentencePair("Haustür", "front door", "0-0 0-1")
    >>> source, target = [(0, 4), (4, 8), (8, 8)], [(0, 5), (6, 10), (10, 10)]
    >>> token_links(pair, source, target).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    if pair.alignment is None:
        raise CorpusError(
            "Every pair must have an alignment to learn from. Received: none for "
            f"{pair.source!r}. Set alignment.links=learned, or for an aligner "
            "alignment.aligner=learned, or give the corpus its links."
        )
    spans = [word_spans(text, words) for text in (pair.source, pair.target)]
    word_links = _word_links(pair, parse_pharaoh(pair.alignment), *spans)
    source, target = (
        (token_shares(tokens, spans_of_words) > 0)[:, :-1].astype("int64")
        for tokens, spans_of_words in zip(
            (source_tokens, target_tokens), spans, strict=True
        )
    )
    return np.argwhere(target @ word_links @ source.T)


def _word_links(pair, alignment: Alignment, source_spans, target_spans):
    """Returns `(targets, sources)` int64, 1 where two words are linked."""
    sources, targets = len(source_spans), len(target_spans)
    sure, possible = np.zeros((2, targets, sources), "int64")
    for links, matrix in ((alignment.sure, sure), (alignment.possible, possible)):
        for source, target in links:
            if source >= sources or target >= targets:
                raise CorpusError(
                    "Links are between words of their pair, counted from 0. Received: "
                    f"{source}-{target} for {sources} words {pair.source!r} and "
                    f"{targets} words {pair.target!r}."
                )
            matrix[target, source] = 1
    return np.where(sure.any(axis=1, keepdims=True), sure, possible)


def _token_spans(texts, codec, max_length):
    """Returns the `(begin, end)` of each token of each text, the end token last."""
    from keras_attn.text import graph

    encode = graph.compile_texts(lambda text: codec.encode(text, max_length))
    spans = []
    for first in range(0, len(texts), _CHUNK):
        encoded = encode(graph.strings(texts[first : first + _CHUNK]))
        begins_ends = np.stack([encoded.begin, encoded.end], axis=-1)
        spans += [
            row[:length]
            for row, length in zip(
                begins_ends, np.asarray(encoded.lengths), strict=True
            )
        ]
    return spans
