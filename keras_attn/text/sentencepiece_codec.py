"""Encodes and decodes by SentencePiece's own Python package, without TensorFlow.

The same ids, pieces and byte offsets as those of `tensorflow_codec.py`, as NumPy
arrays: strings are `bytes` in arrays of objects.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_attn.text.blanks import BLANK_CHARACTERS
from keras_attn.text.limits import cut_bytes
from keras_attn.text.messages import message_class
from keras_attn.translation import utf8

__all__ = [
    "Processor",
    "as_bytes",
    "decode",
    "encode",
    "strip_blanks",
    "token_offsets",
    "tokenize",
]


class _Row(NamedTuple):
    """The tokens of a text within the limit, and what the limit cost."""

    ids: list[int]
    spans: list[tuple[int, int]]
    stop: int  # where reading stopped
    truncated: int


class Processor:
    """A SentencePiece model.

    Args:
        model: The bytes of a `.model` file.

    Attributes:
        pieces: The spelling of each id, in UTF-8.

    Raises:
        ImportError: If the package `sentencepiece` is not installed.
    """

    def __init__(self, model: bytes):
        try:
            import sentencepiece
        except ImportError as error:
            raise ImportError(
                "Text on another backend than TensorFlow, or without the package "
                "`tensorflow-text`, needs the package `sentencepiece`. "
                "Install it with: pip install sentencepiece"
            ) from error
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        size = self._processor.get_piece_size()
        self.pieces = [self._processor.id_to_piece(i).encode() for i in range(size)]

    def tokens(self, text: bytes) -> list[Any]:
        """Returns the tokens of a text: `id`, and `begin` and `end` in bytes."""
        # Of the forms that the package returns, this one has offsets in bytes in every
        # version, and is correct for text that is no UTF-8.
        serialized = self._processor.encode(text, out_type="serialized_proto")
        return _message_class().FromString(serialized).pieces


@functools.cache
def _message_class():
    """Returns the class of `SentencePieceText`, with the fields that are read here."""
    token = {"id": (2, 0), "begin": (4, 0), "end": (5, 0)}
    return message_class("Text", {"Token": token, "Text": {"pieces": (2, ["Token"])}})


def as_bytes(texts: Sequence[str | bytes] | np.ndarray) -> np.ndarray:
    """Returns texts as an array `(B,)` of bytes.

    Raises:
        TypeError: If `texts` holds anything but strings and bytes.
        ValueError: If it is not one sequence of texts.
    """
    array = np.asarray(texts, dtype=object)
    if array.ndim != 1:
        raise ValueError(
            "Texts are one sequence, `(B,)`. Received: text of the shape "
            f"{array.shape}. For one text pass a list of it."
        )
    for row, text in enumerate(array):
        if not isinstance(text, str | bytes):
            raise TypeError(
                "Texts are `str` or `bytes`. "
                f"Received: text[{row}]={text!r} of type {type(text).__name__}."
            )
    return _strings(
        [utf8(text) if isinstance(text, str) else bytes(text) for text in array]
    )


def _strings(texts):
    """Returns a list of bytes as an array of objects, which drops no NUL at an end."""
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


def tokenize(codec: Any, texts: Sequence[str | bytes] | np.ndarray) -> list[np.ndarray]:
    """Returns the ids of each text of `(B,)`, int32, as `SubwordCodec.tokenize` says.

    Args:
        codec: A `SubwordCodec`.
        texts: `(B,)` strings.
    """
    return [
        np.array([token.id for token in codec.processor.tokens(text)], np.int32)
        for text in as_bytes(texts)
    ]


def token_offsets(codec: Any, texts: Sequence[bytes]) -> list[list[tuple[int, int]]]:
    """Returns offsets of tokens, as `SubwordCodec.token_offsets` says."""
    return [
        [(token.begin, token.end) for token in codec.processor.tokens(text)]
        for text in texts
    ]


def encode(
    codec: Any, texts: Sequence[str | bytes] | np.ndarray, max_tokens: int
) -> tuple[np.ndarray, ...]:
    """Returns the fields of `EncodedText`, as `SubwordCodec.encode` says.

    Args:
        codec: A `SubwordCodec`.
        texts: `(B,)` strings.
        max_tokens: The most tokens to keep of a text, counting the end token.
    """
    rows = [_encode_row(codec.processor, text, max_tokens) for text in as_bytes(texts)]
    shape = len(rows), max((len(row.ids) for row in rows), default=0) + 1
    ids = np.full(shape, codec.pad_id, np.int32)
    begin, end = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    pieces = np.full(shape, b"", object)
    for row, (token_ids, spans, stop, _) in enumerate(rows):
        width = len(token_ids) + 1  # with the end token
        ids[row, :width] = [*token_ids, codec.end_id]
        begin[row, :width], end[row, :width] = zip(*spans, (stop, stop), strict=True)
        pieces[row, :width] = [codec.processor.pieces[i] for i in ids[row, :width]]
    lengths = np.array([len(row.ids) + 1 for row in rows], np.int32)
    truncated = np.array([row.truncated for row in rows], np.int32)
    return ids, pieces, begin, end, lengths, truncated


def _encode_row(processor, whole, max_tokens):
    text = cut_bytes(whole, max_tokens)
    tokens = processor.tokens(text)
    kept = tokens[: max_tokens - 1]
    spans = [strip_blanks(text, token.begin, token.end) for token in kept]
    stop = len(text)
    if len(kept) < len(tokens):
        stop = max((end for _, end in spans), default=0)
    truncated = max(len(tokens) - len(kept), int(len(text) < len(whole)))
    return _Row([token.id for token in kept], spans, stop, truncated)


def strip_blanks(text: bytes, begin: int, end: int) -> tuple[int, int]:
    """Shrinks a span of `text` by the blanks at both its ends.

    A span of blanks alone becomes an empty span at its end.

    Example:

    >>> strip_blanks(b"a  b", 1, 4)
    (3, 4)
    """
    inside = text[begin:end].decode("utf-8", "surrogateescape")
    no_left = inside.lstrip(BLANK_CHARACTERS)
    no_right = no_left.rstrip(BLANK_CHARACTERS)
    size, stripped = (
        len(part.encode("utf-8", "surrogateescape")) for part in (no_left, no_right)
    )
    return end - size, end - size + stripped


def decode(
    codec: Any, ids: Any, lengths: Any, copies: np.ndarray | None
) -> tuple[np.ndarray, ...]:
    """Returns the fields of `DecodedText`, as `SubwordCodec.surface` says.

    Args:
        codec: A `SubwordCodec`.
        ids: `(..., T)` integers.
        lengths: `(...)` integers.
        copies: `(..., T)` strings, the text of each unknown token; `None`: no text.
    """
    ids, lengths = map(keras.ops.convert_to_numpy, (ids, lengths))
    *leading, width = ids.shape
    text = np.full(leading, b"", object)
    pieces = np.full(ids.shape, b"", object)
    begin, end = np.zeros(ids.shape, np.int32), np.zeros(ids.shape, np.int32)
    for row in np.ndindex(*leading):
        size = min(max(int(lengths[row]), 0), width)
        row_ids = [
            i if 0 <= i < codec.vocabulary_size else codec.unknown_id
            for i in ids[row][:size].tolist()
        ]
        pieces[row][:size] = [codec.processor.pieces[i] for i in row_ids]
        parts = [
            b"" if i in codec.silent_ids else piece.replace("▁".encode(), b" ")
            for i, piece in zip(row_ids, pieces[row], strict=False)
        ]
        if copies is not None:
            parts = [
                copy if i == codec.unknown_id else part
                for i, part, copy in zip(row_ids, parts, copies[row], strict=False)
            ]
        joined = b"".join(parts)
        text[row] = joined.lstrip(b" ")
        stripped = len(joined) - len(text[row])
        ends = np.cumsum([len(part) for part in parts], dtype=np.int32)
        begins = ends - [len(part.lstrip(b" ")) for part in parts]
        begin[row][:size] = np.maximum(begins - stripped, 0)
        end[row][:size] = np.maximum(ends - stripped, 0)
    return text, pieces, begin, end
