"""Word links by a translator's aligner or attention, for given sentence pairs."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_attn.command_line import track_progress
from keras_attn.metrics import links_from_attention, relative_attention
from keras_attn.text.words import merge_attention, with_no_source, word_spans
from keras_attn.translation import Token, Translation

__all__ = [
    "ForcedLinks",
    "alignment_links",
    "attention_links",
    "forced_links",
    "word_attention",
]

_CHUNK = 4  # batches, among which sentences of similar length are put together

Link = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class ForcedLinks:
    """The word links of sentence pairs.

    Attributes:
        links: Set of (source word, target word) for each pair.
        truncated: Number of pairs with a side longer than the translator reads, so
            that its last words have no links.
    """

    links: Sequence[set[Link]]
    truncated: int


def forced_links(
    translator: Any,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    words: str = "marks",
    threshold: float | None = None,
    attention: bool = False,
    relative: bool = False,
    posterior: bool = False,
    batch_size: int = 64,
    name: str = "aligning",
) -> ForcedLinks:
    """Aligns the words of sentence pairs by forced decoding of the given targets.

    Links are those of the translator's aligner. Without one, a target token is linked
    by the attention of the step that predicts it.

    Args:
        translator: A `keras_attn.Translator`.
        sources: Source texts.
        targets: Their translations.
        words: Rule by which links count words, see `word_spans`.
        threshold: As in `links_from_attention`.
        attention: Whether links are read off attention, though there is an aligner.
        relative: Whether links are read off `relative_attention`.
        posterior: Whether they are read off posterior attention, see
            `Translator.align`.
        batch_size: Number of pairs in a batch.
        name: Name of the work, for the progress bar.

    Returns:
        The links.

    Raises:
        ValueError: If there is not one target for each source.
    """
    if len(sources) != len(targets):
        raise ValueError(
            "Each source needs one target. "
            f"Received: sources={len(sources)}, targets={len(targets)}."
        )
    size = _CHUNK * batch_size
    links: list[set[Link]] = []
    truncated = 0
    starts = range(0, len(sources), size)
    for first in track_progress(starts, name, len(sources), size):
        chunk = slice(first, first + size)
        alignments = translator.align(
            sources[chunk],
            targets[chunk],
            posterior=posterior,
            batch_size=batch_size,
        )
        for alignment in _with_given_targets(translator, alignments, targets[chunk]):
            if alignment.alignment is None or attention or relative or posterior:
                pair_links = attention_links(alignment, words, threshold, relative)
            else:
                pair_links = alignment_links(alignment, words, threshold)
            links.append(pair_links)
            truncated += bool(alignment.source_truncated or alignment.target_truncated)
    return ForcedLinks(links, truncated)


def _with_given_targets(translator, alignments, targets):
    """Counts the bytes of target tokens in the targets as they were given.

    `Translator.align` returns the target as its vocabulary spells it, where `…` may be
    `...`: three words for one.
    """
    from keras_attn.text import graph

    codec, limit = translator.target_codec, translator.max_target_length
    begins, ends = codec.encode(graph.strings(targets), limit)[2:4]
    for alignment, target, begin, end in zip(
        alignments, targets, begins.numpy(), ends.numpy(), strict=True
    ):
        # The padding of begins and ends is beyond the tokens.
        spans = zip(alignment.target_tokens, begin.tolist(), end.tolist(), strict=False)
        tokens = tuple(Token(token.piece, *span) for token, *span in spans)
        yield dataclasses.replace(
            alignment, text=target, target_tokens=tokens, sentences=()
        )


def attention_links(
    translation: Translation,
    words: str = "marks",
    threshold: float | None = None,
    relative: bool = False,
) -> set[Link]:
    """Returns the word links (source, target) that an attention matrix suggests.

    Each target word is linked to the source word with the most attention, or to none
    where that is the end token.

    Args:
        translation: A translation with attention between the tokens of its two texts.
        words: Rule by which links count words, see `word_spans`.
        threshold: As in `links_from_attention`.
        relative: Whether links are read off `relative_attention`.
    """
    attention = word_attention(translation, words)
    if relative:
        attention = relative_attention(attention)
    return links_from_attention(attention, threshold)


def alignment_links(
    translation: Translation, words: str = "marks", threshold: float | None = None
) -> set[Link]:
    """Returns the word links (source, target) of a translation with an alignment.

    Args:
        translation: A translation with an `alignment`.
        words: Rule by which links count words, see `word_spans`.
        threshold: As in `Translation.links`.
    """
    weights = _merge_words(translation, translation.alignment, words)
    return links_from_attention(with_no_source(weights), threshold)


def word_attention(translation: Translation, words: str = "marks") -> np.ndarray:
    """Returns attention between words, merged from subwords by `merge_attention`.

    Args:
        translation: A translation with attention between the tokens of its two texts.
        words: A rule of `word_spans`.
    """
    return _merge_words(translation, translation.attention, words)


def _merge_words(translation, weights, words):
    return merge_attention(
        weights,
        translation.source_tokens,
        translation.target_tokens,
        word_spans(translation.source, words),
        word_spans(translation.text, words),
    )
