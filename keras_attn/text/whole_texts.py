"""Translates whole texts by their sentences, and joins the translations."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_attn.text import graph
from keras_attn.text.codec import SubwordCodec
from keras_attn.text.joined_translations import join_translations
from keras_attn.text.sentencepiece_codec import as_bytes
from keras_attn.text.sentences import (
    BYTES_PER_TOKEN,
    character_boundary,
    cut_sentence,
    piece_tokens,
    sentence_spans,
)
from keras_attn.translation import (
    SOURCE_OUTPUTS,
    Translation,
    translations_from_outputs,
)
from keras_attn.typing import Tensor

__all__ = [
    "Splitter",
    "sentence_outputs",
    "split_texts",
    "translate_by_sentences",
]

_ABSENT = -1e9  # score of a missing hypothesis, as in `outputs.py`


def split_texts(
    codec: Any,
    texts: Sequence[bytes],
    max_tokens: int,
    whole_tokens: int | None = None,
) -> list[list[tuple[int, int]]]:
    """Splits texts into what is translated at a time: sentences, long ones cut.

    Args:
        codec: A `SubwordCodec`.
        texts: Any bytes.
        max_tokens: Maximum number of tokens of a sentence, without an end token.
        whole_tokens: A text of at most this number of tokens is not split, nor are the
            blanks around it left out; `None`: all texts are split. (A text of more than
            64 bytes for each of these tokens and one more is split, whatever it holds.)

    Returns:
        For each text, `(begin, end)` of each sentence in bytes, in order; `(0, 0)` of a
        text without sentences.
    """
    pieces: list[list[tuple[int, int]]] = [[] for _ in texts]
    if whole_tokens is not None:
        longest = (whole_tokens + 1) * BYTES_PER_TOKEN
        short = [row for row, text in enumerate(texts) if len(text) <= longest]
        tokens = codec.token_offsets([texts[row] for row in short])
        for row, row_tokens in zip(short, tokens, strict=True):
            if len(row_tokens) <= whole_tokens:
                pieces[row] = [(0, len(texts[row]))]
    size = max_tokens * BYTES_PER_TOKEN
    sentences = [
        (row, begin, text[begin:end])
        for row, text in enumerate(texts)
        if not pieces[row]
        for begin, end in _cut_bytes(text, sentence_spans(text) or [(0, 0)], size)
    ]
    tokens = codec.token_offsets([sentence for _, _, sentence in sentences])
    for (row, begin, sentence), row_tokens in zip(sentences, tokens, strict=True):
        if len(row_tokens) <= max_tokens:
            pieces[row].append((begin, begin + len(sentence)))
            continue
        pieces[row] += [
            (begin + piece.begin, begin + piece.end)
            for piece in cut_sentence(sentence, row_tokens, piece_tokens(max_tokens))
        ]
    return pieces


def _cut_bytes(text, spans, size):
    """Yields spans of about `size` bytes at most, cut between characters.

    They take a time that grows with the square of their size to tokenise, and codecs
    read no more. Few sentences are of so many bytes and few tokens, or of so many.
    """
    for begin, end in spans:
        starts = [begin, *range(begin + size, end, size)]
        starts[1:] = [character_boundary(text, place) for place in starts[1:]]
        yield from itertools.pairwise([*starts, end])


class Splitter:
    """Finds the sentences of texts.

    Args:
        codec: The source's codec.
        max_tokens: As for `split_texts`.
        whole_tokens: As for `split_texts`.
    """

    def __init__(
        self, codec: SubwordCodec, *, max_tokens: int, whole_tokens: int | None
    ) -> None:
        self._arguments = codec, max_tokens, whole_tokens

    @functools.cached_property
    def in_graph(self) -> Any:
        """The functions of `tensorflow_whole_texts.Splitter`."""
        from keras_attn.text import tensorflow_whole_texts

        return tensorflow_whole_texts.make_splitter(*self._arguments)

    def split(self, texts: Sequence[bytes]) -> list[list[tuple[int, int]]]:
        """Returns the spans of each text's sentences, as `split_texts` does."""
        codec, max_tokens, whole_tokens = self._arguments
        return split_texts(codec, texts, max_tokens, whole_tokens)


def translate_by_sentences(
    splitter: Splitter,
    text: Tensor,
    translate: Callable[[Tensor, Tensor | None], dict[str, Tensor]],
    count: int | None = None,
    has_alignment: bool = False,
) -> dict[str, Tensor]:
    """Translates the sentences of all texts as one batch, and joins the outputs.

    Args:
        splitter: Finds the sentences.
        text: `(B,)` strings, any bytes, B of at least 1. In the graph, 1 MiB of each
            is read; `source_truncated` says if there was more.
        translate: From `N` strings and the row of `text` that each is a part of,
            `(N,)`, or `None` for whole texts, to the outputs of the serving signature
            `translate`, or of `nbest`.
        count: `K`, number of hypotheses on an axis of their own; `None`: no such axis.
        has_alignment: Whether `alignment` is among the outputs.

    Returns:
        The outputs for the texts, and the outputs `sentence_*`, as `join_sentences`
        describes them. A text of one sentence has the outputs of that alone.
    """
    if graph.strings_in_graph(text):
        from keras_attn.text import tensorflow_whole_texts

        return tensorflow_whole_texts.translate_by_sentences(
            splitter.in_graph, text, translate, count, has_alignment
        )
    text = as_bytes(text)
    spans = splitter.split(text)
    sentences = [
        row[begin:end]
        for row, row_spans in zip(text, spans, strict=True)
        for begin, end in row_spans
    ]
    rows = np.repeat(np.arange(len(text)), [len(row_spans) for row_spans in spans])
    outputs = translate(as_bytes(sentences), rows)

    def join(outputs):
        # Each byte that is no UTF-8 becomes a surrogate: lengths in bytes are kept.
        sources = [row.decode("utf-8", "surrogateescape") for row in sentences]
        translations = iter(translations_from_outputs(sources, outputs))
        return _outputs(
            [
                join_translations(
                    row, row_spans, [next(translations) for _ in row_spans]
                )
                for row, row_spans in zip(text, spans, strict=True)
            ],
            has_alignment,
        )

    return join(outputs) if count is None else _join_hypotheses(join, rows, outputs)


def sentence_outputs(text: Tensor, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Adds the outputs `sentence_*` for texts of one sentence each.

    Args:
        text: `(B,)` strings, the texts.
        outputs: Their outputs, those of hypotheses with an axis of their own.
    """
    if graph.strings_in_graph(text):
        from keras_attn.text import joined_outputs

        return joined_outputs.sentence_outputs(text, outputs)
    ends = np.array([[len(row)] for row in as_bytes(text)], np.int32)
    return {
        **outputs,
        "sentence_begin": np.zeros_like(ends),
        "sentence_end": ends,
        "sentence_source_length": outputs["source_length"][..., np.newaxis],
        "sentence_target_length": outputs["target_length"][..., np.newaxis],
    }


def _join_hypotheses(join, rows, outputs):
    """Joins n best translations, as `joined_outputs.join_hypotheses` does."""
    by_sentence = (outputs["target_length"] > 0).sum(axis=1)
    by_text = np.maximum.reduceat(
        by_sentence, np.flatnonzero(np.diff(rows, prepend=-1))
    )
    joined = []
    for rank in range(outputs["target_length"].shape[1]):
        exists = rank < by_text
        place = np.where(exists[rows], np.minimum(rank, by_sentence - 1), rank)
        sentence = np.arange(len(rows))
        hypotheses = join(
            {
                name: output if name.startswith("source_") else output[sentence, place]
                for name, output in outputs.items()
            }
        )
        hypotheses["translation"] = np.where(exists, hypotheses["translation"], b"")
        hypotheses["score"] = np.where(exists, hypotheses["score"], _ABSENT)
        joined.append(hypotheses)
    return {
        name: output
        if name.startswith(SOURCE_OUTPUTS)
        else _padded([row[name] for row in joined], output.dtype).swapaxes(0, 1)
        for name, output in joined[0].items()
    }


def _outputs(
    translations: Sequence[Translation], has_alignment: bool
) -> dict[str, np.ndarray]:
    """Reverses `translations_from_outputs`."""
    outputs: dict[str, Any] = {
        "translation": as_bytes([row.text for row in translations]),
        "score": np.array([row.score for row in translations], np.float32),
        "token_scores": _padded([row.token_scores for row in translations], np.float32),
        "attention": _padded_weights([row.attention for row in translations]),
        "sentence_begin": _integers(
            [[x.source_begin for x in row.sentences] for row in translations]
        ),
        "sentence_end": _integers(
            [[x.source_end for x in row.sentences] for row in translations]
        ),
    }
    if has_alignment:
        outputs["alignment"] = _padded_weights([row.alignment for row in translations])
    for side in ("source", "target"):
        rows = [getattr(row, f"{side}_tokens") for row in translations]
        ranges = [
            [getattr(x, f"{side}_tokens") for x in row.sentences]
            for row in translations
        ]
        truncated = [getattr(row, f"{side}_truncated") for row in translations]
        outputs |= {
            f"{side}_tokens": _padded(
                [as_bytes([token.piece for token in row]) for row in rows], object
            ),
            f"{side}_begin": _integers(
                [[token.begin for token in row] for row in rows]
            ),
            f"{side}_end": _integers([[token.end for token in row] for row in rows]),
            f"{side}_length": np.array([len(row) for row in rows], np.int32),
            f"{side}_truncated": np.array(truncated, np.int32),
            f"sentence_{side}_length": _integers(
                [[stop - first for first, stop in row] for row in ranges]
            ),
        }
    return outputs


def _padded_weights(weights):
    """Pads weights `(T, S)`; those that were left out add no rows and columns."""
    left_out = np.zeros((0, 0))
    return _padded(
        [left_out if row is None or not row.size else row for row in weights],
        np.float32,
    )


def _integers(rows):
    return _padded([np.array(row, np.int32) for row in rows], np.int32)


def _padded(arrays, dtype):
    """Stacks arrays of several sizes, padded with zeros or empty strings."""
    shape = np.max([array.shape for array in arrays], axis=0)
    stacked = np.full(
        (len(arrays), *shape), b"" if np.dtype(dtype).hasobject else 0, dtype
    )
    for place, array in zip(stacked, arrays, strict=True):
        place[tuple(map(slice, array.shape))] = array
    return stacked
