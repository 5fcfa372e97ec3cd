"""Joins the translations of sentences to the translation of their text."""

from collections.abc import Sequence

import numpy as np

from keras_attn.text.sentences import joint
from keras_attn.translation import (
    Sentence,
    Token,
    Translation,
    block_diagonal,
    has_joint_attention,
    shift_tokens,
    utf8,
)

__all__ = ["join_translations"]


def join_translations(
    source: str | bytes,
    spans: Sequence[tuple[int, int]],
    translations: Sequence[Translation],
) -> Translation:
    """Joins translations of the sentences of a text, as `join_sentences` does.

    Args:
        source: The text.
        spans: `(begin, end)` of each sentence in its bytes, in order.
        translations: The translation of each; at least one.

    Returns:
        One translation, between whose sentences stands what stands in the source, and
        where nothing stands there, a space, but in scripts without spaces. Tokens
        follow each other, with the end token of each sentence, and attention is zero
        outside of its sentence, or left out where it would be too large; likewise
        alignment, which there is if all translations have one.
    """
    encoded = utf8(source) if isinstance(source, str) else source
    # Joined once: texts that grow by each part take the square of their length.
    parts: list[bytes] = []
    size, position, previous = 0, 0, ""
    source_tokens: list[Token] = []
    target_tokens: list[Token] = []
    sentences: list[Sentence] = []
    for (begin, end), translation in zip(spans, translations, strict=True):
        before = encoded[position:begin]
        if parts and not before:
            before = joint(previous, translation.text)
        parts += [before, utf8(translation.text)]
        size += len(before)
        sentences += _shift_sentences(
            translation.sentences, begin, size, len(source_tokens), len(target_tokens)
        )
        source_tokens += shift_tokens(translation.source_tokens, begin)
        target_tokens += shift_tokens(translation.target_tokens, size)
        size += len(parts[-1])
        position, previous = end, translation.text
    text = b"".join([*parts, encoded[position:]])
    has_attention = has_joint_attention(len(sentences), len(source_tokens)) and all(
        translation.attention.shape[1] == len(translation.source_tokens)
        for translation in translations
    )
    alignments = [t.alignment for t in translations if t.alignment is not None]
    has_alignment = has_attention and len(alignments) == len(translations)
    return Translation(
        source=source if isinstance(source, str) else encoded.decode(errors="replace"),
        text=text.decode("utf-8", "replace"),
        score=sum(translation.score for translation in translations),
        source_tokens=tuple(source_tokens),
        target_tokens=tuple(target_tokens),
        token_scores=np.concatenate([t.token_scores for t in translations]),
        attention=(
            block_diagonal([translation.attention for translation in translations])
            if has_attention
            else np.zeros((len(target_tokens), 0), np.float32)
        ),
        source_truncated=sum(t.source_truncated for t in translations),
        target_truncated=any(t.target_truncated for t in translations),
        sentences=tuple(sentences),
        alignment=block_diagonal(alignments) if has_alignment else None,
    )


def _shift_sentences(sentences, source_offset, target_offset, columns, rows):
    return [
        Sentence(
            source_begin=sentence.source_begin + source_offset,
            source_end=sentence.source_end + source_offset,
            target_begin=sentence.target_begin + target_offset,
            target_end=sentence.target_end + target_offset,
            source_tokens=_shift_range(sentence.source_tokens, columns),
            target_tokens=_shift_range(sentence.target_tokens, rows),
        )
        for sentence in sentences
    ]


def _shift_range(tokens, count):
    first, stop = tokens
    return first + count, stop + count
