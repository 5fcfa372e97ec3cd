"""Word links read off a translator's attention, of pairs that are given."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from keras_attn.metrics import links_from_attention, relative_attention
from keras_attn.text.words import merge_attention, word_spans
from keras_attn.translation import Token, Translation

__all__ = ["ForcedLinks", "attention_links", "forced_links", "word_attention"]

_CHUNK = 4  # batches, among which sentences of like length are put together

Link = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class ForcedLinks:
    """The links of sentence pairs, in their order.

    Attributes:
        links: Of each pair, (source word, target word).
        truncated: Pairs of which a side was longer than the translator reads, so that
            its last words have no links.
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
    relative: bool = False,
    posterior: bool = False,
    batch_size: int = 64,
    track: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> ForcedLinks:
    """Aligns the words of given pairs by where the translator looks.

    The translator writes the given target; a target token is linked by the attention
    of the step that predicts it.

    Args:
        translator: A `keras_attn.Translator`.
        sources: Its source texts.
        targets: Their translations.
        words: Which words links count, a rule of `word_spans`.
        threshold: As in `links_from_attention`.
        relative: Whether links are read off `relative_attention`.
        posterior: As in `Translator.align`.
        batch_size: Pairs computed together.
        track: Wraps the list of chunks of work, to show progress.

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
    for first in track(range(0, len(sources), size)):
        chunk = slice(first, first + size)
        answers = translator.align(
            sources[chunk],
            targets[chunk],
            posterior=posterior,
            batch_size=batch_size,
        )
        for answer in _in_given_texts(translator, answers, targets[chunk]):
            links.append(attention_links(answer, words, threshold, relative))
            truncated += bool(answer.source_truncated or answer.target_truncated)
    return ForcedLinks(links, truncated)


def _in_given_texts(translator, answers, targets):
    """Counts the bytes of target tokens in the targets as they were given.

    An answer has its target as the vocabulary spells it, where `…` may be `...`: three
    words for one.
    """
    from keras_attn.text import graph

    codec, limit = translator.target_codec, translator.max_target_length
    begins, ends = codec.encode(graph.strings(targets), limit)[2:4]
    for answer, target, begin, end in zip(
        answers, targets, begins.numpy(), ends.numpy(), strict=True
    ):
        # The padding of begins and ends is beyond the tokens.
        places = zip(answer.target_tokens, begin.tolist(), end.tolist(), strict=False)
        tokens = tuple(Token(token.piece, *span) for token, *span in places)
        yield dataclasses.replace(answer, text=target, target_tokens=tokens)


def attention_links(
    answer: Translation,
    words: str = "marks",
    threshold: float | None = None,
    relative: bool = False,
) -> set[Link]:
    """Returns the word links (source, target) that an attention map suggests.

    Each target word is linked to the source word with the most attention, or to none
    where that is the end of the sentence.

    Args:
        answer: With the attention between the tokens of its two texts.
        words: Which words links count, a rule of `word_spans`.
        threshold: As in `links_from_attention`.
        relative: Whether links are read off `relative_attention`.
    """
    attention = word_attention(answer, words)
    if relative:
        attention = relative_attention(attention)
    return links_from_attention(attention, threshold)


def word_attention(answer: Translation, words: str = "marks") -> np.ndarray:
    """Returns attention between words, as `merge_attention` makes it of subwords.

    Args:
        answer: With the attention between the tokens of its two texts.
        words: What is a word, a rule of `word_spans`.
    """
    return merge_attention(
        answer.attention,
        answer.source_tokens,
        answer.target_tokens,
        word_spans(answer.source, words),
        word_spans(answer.text, words),
    )
