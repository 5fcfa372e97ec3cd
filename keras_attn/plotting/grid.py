"""What every picture shows: labelled rows, labelled columns, weights between.

A translation has one map or two: its attention, and its alignment where the translator
has an aligner.
"""

import dataclasses
import unicodedata

import numpy as np

from keras_attn.translation import (
    MAX_ATTENTION_TOKENS,
    Translation,
    block_diagonal,
    utf8,
)

__all__ = [
    "END",
    "NO_SOURCE",
    "AttentionGrid",
    "attention_grid",
    "choose_map",
    "map_names",
    "sentences_to_draw",
]

END = "</s>"
NO_SOURCE = "(no source)"
_CAPTIONS = {  # at most 80 columns, for terminals
    "alignment": "Alignment: what each word translates. Not attention: where the model "
    "looked.",
    "attention": "Attention: where the model looked. Not alignment: what each word "
    "translates.",
}
# Explicit direction marks and isolates could reorder what stands beside a label.
_DIRECTION_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e")
_DIRECTION_ISOLATES = frozenset("\u2066\u2067\u2068\u2069")


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class AttentionGrid:
    """Attention or alignment with a printable label for each row and column.

    Attributes:
        targets: `T` row labels, the end token of each sentence last.
        sources: `S` column labels; the last of each sentence is the end token of
            attention, "no source" of an alignment.
        weights: `(T, S)` float64 from 0 to 1.
        notes: What a reader must know, such as that the source was cut.
        caption: Which of two maps this is, and how they differ; `""` if the
            translation has one.
    """

    targets: tuple[str, ...]
    sources: tuple[str, ...]
    weights: np.ndarray
    notes: tuple[str, ...] = ()
    caption: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether no weight is above zero, as of a model without attention."""
        return not (self.weights > 0).any()


def map_names(translation: Translation) -> tuple[str, ...]:
    """Returns the names of the maps that a translation has, the default first.

    The default is the alignment: it answers what most people ask of a map, which word
    became which.
    """
    if translation.alignment is None or not np.size(translation.alignment):
        return ("attention",)
    return ("alignment", "attention")


def choose_map(translation: Translation, show: str | None) -> str:
    """Returns `show` or, for `None`, the name of the default map.

    Raises:
        ValueError: If `show` names no map, or one that the translation lacks.
    """
    if show not in (None, *_CAPTIONS):
        raise ValueError(
            f'`show` must be "attention", "alignment" or None. Received: show={show!r}.'
        )
    available = map_names(translation)
    if show is None:
        return available[0]
    if show not in available:
        raise ValueError(
            "A translation has an alignment where its translator has an aligner. "
            f"Received: show={show!r} of a translation without. "
            'Leave `show` out, or pass show="attention".'
        )
    return show


def attention_grid(
    translation: Translation, *, words: bool = True, show: str | None = None
) -> AttentionGrid:
    """Labels the maps of a translation, word by word or token by token.

    Labels are safe to print: control characters are replaced by their pictures and
    direction overrides are dropped, so that no sentence can move the cursor, ring
    the bell or turn the text around it.

    Args:
        translation: Attention and alignment `(T, S)` with their tokens.
        words: Whether to merge subwords into words: weights are summed over the
            tokens of a source word and averaged over those of a target word.
        show: `"attention"`; `"alignment"`; or `None`: the alignment if there is one.

    Returns:
        Labels and weights, the end token of each sentence last on both sides. In an
        alignment the last column is "no source", what the words of a row lack to 1.
        Between sentences weights are zero; so are all of a translation without
        attention.

    Raises:
        ValueError: If the map does not have a row for each target token and a column
            for each source token, has weights outside 0 to 1, or does not exist.
    """
    show = choose_map(translation, show)
    weights = _check_weights(translation, show)
    is_alignment = show == "alignment"
    blocks = []
    for part in dataclasses.replace(translation, **{show: weights}).by_sentence():
        part_weights = getattr(part, show)
        targets, sources, block = (
            _merge_words(part, part_weights) if words else _by_token(part, part_weights)
        )
        if is_alignment:
            from keras_attn.text.words import with_no_source  # late, as below

            block = with_no_source(block)
        blocks.append((targets, sources, block))
    targets, sources = (
        tuple(
            label
            for block in blocks
            for label in (*map(_printable, block[side]), end_label)
        )
        for side, end_label in ((0, END), (1, NO_SOURCE if is_alignment else END))
    )
    return AttentionGrid(
        targets,
        sources,
        np.clip(block_diagonal([block for *_, block in blocks]), 0.0, 1.0),
        _notes(translation, show),
        _CAPTIONS[show] if len(map_names(translation)) > 1 else "",
    )


def sentences_to_draw(
    translation: Translation, show: str | None = None
) -> list[Translation]:
    """Returns the sentences, or the whole text if its map was left out."""
    weights = getattr(translation, choose_map(translation, show))
    return translation.by_sentence() if np.size(weights) else [translation]


def _merge_words(sentence, weights):
    """Returns the labels of both sides without the end token, and the weights."""
    # Late: the merging rules belong to `text`, whose other half needs more.
    from keras_attn.text.words import merge_attention, word_spans

    source_spans = word_spans(sentence.source)
    target_spans = word_spans(sentence.text)
    weights = merge_attention(
        weights,
        sentence.source_tokens,
        sentence.target_tokens,
        source_spans,
        target_spans,
    )
    targets = _surfaces(sentence.text, target_spans)
    return targets, _surfaces(sentence.source, source_spans), weights


def _by_token(sentence, weights):
    targets, sources = (
        [token.piece for token in tokens[:-1]]
        for tokens in (sentence.target_tokens, sentence.source_tokens)
    )
    return targets, sources, np.asarray(weights, "float64")


def _check_weights(translation, show):
    weights = np.asarray(getattr(translation, show))
    shape = (len(translation.target_tokens), len(translation.source_tokens))
    if weights.shape == (shape[0], 0):  # left out
        weights = np.zeros(shape)
    if weights.shape != shape or 0 in shape:
        raise ValueError(
            f"{show.capitalize()} must have one row for each target token and one "
            "column for each source token, the end token included on both sides. "
            f"Received: {show}.shape={weights.shape}, "
            f"target and source tokens={shape}."
        )
    # Rounding in float32 or a half-precision server may step just over the edge.
    if not ((weights >= -1e-3) & (weights <= 1 + 1e-3)).all():
        raise ValueError(
            f"{show.capitalize()} weights must be numbers from 0 to 1. Received: "
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


def _notes(translation, show):
    notes = []
    if not np.size(getattr(translation, show)):
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
