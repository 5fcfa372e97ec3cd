"""Links between the words of a translation and its source."""

import numpy as np

from keras_attn.text.words import merge_attention, with_no_source, word_spans
from keras_attn.translation import Link, Translation

__all__ = ["translation_links"]

_UNITS = ("words", "tokens")


def translation_links(
    translation: Translation, threshold: float | None = None, unit: str = "words"
) -> list[Link]:
    """Returns the links of a translation; see `Translation.links`."""
    if unit not in _UNITS:
        raise ValueError(
            f"`unit` must be one of {', '.join(map(repr, _UNITS))}. "
            f"Received: unit={unit!r}."
        )
    is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if threshold is not None and not (is_number and 0 < threshold <= 1):
        raise ValueError(
            f"`threshold` must be in (0, 1]. Received: threshold={threshold!r}."
        )
    links: list[Link] = []
    source_count = target_count = 0
    for part, sentence in zip(
        translation.by_sentence(), translation.sentences, strict=True
    ):
        weights, source_spans, target_spans = _weights(part, unit)
        source_offset, target_offset = sentence.source_begin, sentence.target_begin
        if part is translation:  # a lone sentence: the whole text, with its blanks
            source_offset = target_offset = 0
        for target, row in enumerate(weights):
            for source in _linked(row, threshold):
                begin, end = source_spans[source]
                target_begin, target_end = target_spans[target]
                links.append(
                    Link(
                        source=source_count + source,
                        target=target_count + target,
                        weight=float(row[source]),
                        source_begin=source_offset + begin,
                        source_end=source_offset + end,
                        target_begin=target_offset + target_begin,
                        target_end=target_offset + target_end,
                    )
                )
        source_count += len(source_spans)
        target_count += len(target_spans)
    return links


def _weights(translation, unit):
    """Returns weights `(targets, sources)`, without end tokens, and the spans of both.

    The last column is the weight of "no source".
    """
    is_aligned = translation.alignment is not None
    weights = translation.alignment if is_aligned else translation.attention
    weights = np.asarray(weights, np.float64)
    if weights.shape[1] == 0:  # left out
        weights = np.zeros(
            (len(translation.target_tokens), len(translation.source_tokens))
        )
    spans = []
    for text, tokens in (
        (translation.source, translation.source_tokens),
        (translation.text, translation.target_tokens),
    ):
        if unit == "words":
            spans.append(word_spans(text))
        else:
            spans.append([(token.begin, token.end) for token in tokens[:-1]])
    source_spans, target_spans = spans
    if unit == "words":
        weights = merge_attention(
            weights,
            translation.source_tokens,
            translation.target_tokens,
            source_spans,
            target_spans,
        )
    return with_no_source(weights[:-1]), source_spans, target_spans


def _linked(row, threshold):
    """Returns the places of a row that are linked; the last is that of no source."""
    words = row[:-1]
    if threshold is not None:
        return np.flatnonzero(words >= threshold).tolist()
    best = int(np.argmax(row))
    return [] if best == len(words) or row[best] <= 0 else [best]
