"""What every picture shows: labelled rows, labelled columns, weights between."""

import dataclasses
import unicodedata

import numpy as np

from keras_attn.translation import (
    MAX_ATTENTION_TOKENS,
    Translation,
    block_diagonal,
    utf8,
)

__all__ = ["END", "AttentionGrid", "attention_grid", "sentences_to_draw"]

END = "</s>"
# Explicit direction marks and isolates could reorder what stands beside a label.
_DIRECTION_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e")
_DIRECTION_ISOLATES = frozenset("\u2066\u2067\u2068\u2069")


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class AttentionGrid:
    """Attention with a printable label for each row and column.

    Attributes:
        targets: `T` row labels, the end token of each sentence last.
        sources: `S` column labels, likewise.
        weights: `(T, S)` float64 from 0 to 1.
        notes: What a reader must know, such as that the source was cut.
    """

    targets: tuple[str, ...]
    sources: tuple[str, ...]
    weights: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def is_blank(self) -> bool:
        """Whether no weight is above zero, as of a model without attention."""
        return not (self.weights > 0).any()


def attention_grid(translation: Translation, *, words: bool = True) -> AttentionGrid:
    """Labels the attention of a translation, word by word or token by token.

    Labels are safe to print: control characters are replaced by their pictures and
    direction overrides are dropped, so that no sentence can move the cursor, ring
    the bell or turn the text around it.

    Args:
        translation: Attention `(T, S)` with its tokens.
        words: Whether to merge subwords into words: weights are summed over the
            tokens of a source word and averaged over those of a target word.

    Returns:
        Labels and weights, the end token of each sentence last on both sides. Between
        sentences weights are zero; so are all of a translation without attention.

    Raises:
        ValueError: If the attention does not have a row for each target token and
            a column for each source token, or has weights outside 0 to 1.
    """
    attention = _check_attention(translation)
    blocks = []
    for part in dataclasses.replace(translation, attention=attention).by_sentence():
        blocks.append(_merge_words(part) if words else _by_token(part))
    targets, sources = (
        tuple(
            label for block in blocks for label in (*map(_printable, block[side]), END)
        )
        for side in (0, 1)
    )
    weights = np.clip(block_diagonal([block for *_, block in blocks]), 0.0, 1.0)
    return AttentionGrid(targets, sources, weights, _notes(translation))


def sentences_to_draw(translation: Translation) -> list[Translation]:
    """Returns the sentences, or the whole text if its attention was left out."""
    return (
        translation.by_sentence() if np.size(translation.attention) else [translation]
    )


def _merge_words(sentence):
    """Returns the labels of both sides without the end token, and the weights."""
    # Late: the merging rules belong to `text`, whose other half needs more.
    from keras_attn.text.words import merge_attention, word_spans

    source_spans = word_spans(sentence.source)
    target_spans = word_spans(sentence.text)
    weights = merge_attention(
        sentence.attention,
        sentence.source_tokens,
        sentence.target_tokens,
        source_spans,
        target_spans,
    )
    targets = _surfaces(sentence.text, target_spans)
    return targets, _surfaces(sentence.source, source_spans), weights


def _by_token(sentence):
    targets, sources = (
        [token.piece for token in tokens[:-1]]
        for tokens in (sentence.target_tokens, sentence.source_tokens)
    )
    return targets, sources, np.asarray(sentence.attention, "float64")


def _check_attention(translation):
    weights = np.asarray(translation.attention)
    shape = (len(translation.target_tokens), len(translation.source_tokens))
    if weights.shape == (shape[0], 0):  # left out
        weights = np.zeros(shape)
    if weights.shape != shape or 0 in shape:
        raise ValueError(
            "Attention must have one row for each target token and one column for "
            "each source token, the end token included on both sides. Received: "
            f"attention.shape={weights.shape}, target and source tokens={shape}."
        )
    # Rounding in float32 or a half-precision server may step just over the edge.
    if not ((weights >= -1e-3) & (weights <= 1 + 1e-3)).all():
        raise ValueError(
            "Attention weights must be numbers from 0 to 1. Received: "
            f"min={weights.min()}, max={weights.max()}."
        )
    return weights


def _surfaces(text, spans):
    encoded = utf8(text)
    return [encoded[begin:end].decode("utf-8", "replace") for begin, end in spans]


def _printable(label):
    """Returns `label` without anything that acts rather than shows."""
    shown = "".join(_shown(char) for char in label)
    if any(not _is_invisible(char) for char in shown):
        return shown
    return " ".join(f"U+{ord(char):04X}" for char in label) or "(empty)"


def _shown(char):
    if char in _DIRECTION_CONTROLS or char in _DIRECTION_ISOLATES:
        return ""
    if char == "\x7f":
        return "\u2421"
    if char < " ":
        return chr(0x2400 + ord(char))  # the block of control pictures
    if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}:
        return "\ufffd"
    return char


def _is_invisible(char):
    return unicodedata.category(char) in {"Cf", "Mn", "Me", "Zs"}


def _notes(translation):
    notes = []
    if not np.size(translation.attention):
        notes.append(
            "Attention was left out: by the client, or since a text of several "
            f"sentences has more than {MAX_ATTENTION_TOKENS:,} source tokens. Its "
            "sentences, translated as texts of their own, have it."
        )
    if translation.source_truncated:
        notes.append(
            f"The last {translation.source_truncated} source tokens were over the "
            "model's limit and not read."
        )
    if translation.target_truncated:
        notes.append("The translation was ended by the length limit.")
    return tuple(notes)
