"""What a translation must begin with and contain, in tokens of its vocabulary."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_attn.text import graph, numpy_constraints
from keras_attn.text.codec import SubwordCodec
from keras_attn.translation import utf8
from keras_attn.typing import Tensor

__all__ = [
    "EncodedPhrases",
    "EncodedPrefixes",
    "begins_with",
    "check_writable",
    "encode_phrases",
    "encode_prefixes",
]


class EncodedPrefixes(NamedTuple):
    """The beginnings of a batch of translations."""

    ids: Tensor  # (B, P) int32; -1 for any token of `completions`
    lengths: Tensor  # (B,) int32
    # (B, C, V) bool, other tokens for each of the last C ones: those that begin with
    # all that is left of the prefix, so that its last word may be completed.
    completions: Tensor
    text: Tensor  # (B,) string, the prefix as the vocabulary writes it
    is_whole: Tensor  # (B,) bool, False where a part of it cannot be written


class EncodedPhrases(NamedTuple):
    """The required phrases of a batch of translations."""

    token_ids: Tensor  # (B, C, W) int32, -1 beyond the length
    lengths: Tensor  # (B, C) int32; 0: no phrase
    is_whole: Tensor  # (B,) bool, False where a phrase cannot be written


def encode_prefixes(
    codec: SubwordCodec, prefix: Tensor, max_tokens: int
) -> EncodedPrefixes:
    """Encodes the beginnings of translations; no text makes it fail.

    The last word may be incomplete: it may go on in its last token. A blank at the end
    says that it is complete. A prefix is cut before the first character that the
    vocabulary lacks.

    Args:
        codec: The target's codec.
        prefix: `(B,)` strings; empty: none.
        max_tokens: Most tokens of a translation, counting the end token.
    """
    constraints = _implementation(prefix)
    return EncodedPrefixes(*constraints.encode_prefixes(codec, prefix, max_tokens))


def begins_with(text: Tensor, prefix: Tensor) -> Tensor:
    """Returns `(B,)` booleans: whether each text begins with its prefix.

    Args:
        text: `(B,)` strings.
        prefix: `(B,)` strings.
    """
    return _implementation(text).begins_with(text, prefix)


def encode_phrases(
    codec: SubwordCodec, required: Tensor, max_tokens: int
) -> EncodedPhrases:
    """Encodes the required phrases of translations; no text makes it fail.

    A phrase with a character that the vocabulary lacks is left out.

    Args:
        codec: The target's codec.
        required: `(B,)` strings, phrases separated by newlines or tabs; empty: none.
        max_tokens: Most tokens of a translation, counting the end token.
    """
    constraints = _implementation(required)
    return EncodedPhrases(*constraints.encode_phrases(codec, required, max_tokens))


def _implementation(texts):
    """Returns the module that encodes strings of this type."""
    if graph.strings_in_graph(texts):
        from keras_attn.text import tensorflow_constraints

        return tensorflow_constraints
    return numpy_constraints


def check_writable(
    codec: SubwordCodec,
    name: str,
    texts: Sequence[str],
    names: Sequence[str],
    max_tokens: int,
) -> None:
    """Raises `ValueError` for texts that a translation cannot hold.

    Args:
        codec: The target's codec.
        name: The argument, for the message.
        texts: The texts to check.
        names: How to call each in the message.
        max_tokens: Most tokens of a translation, counting the end token.
    """
    if not texts:
        return
    encoded = codec.encode(graph.strings(texts), max_tokens)
    columns = (encoded.ids, encoded.begin, encoded.end, encoded.truncated)
    for text, text_name, ids, begin, end, truncated in zip(
        texts, names, *map(np.asarray, columns), strict=True
    ):
        unknown = (ids == codec.unknown_id).nonzero()[0]
        if unknown.size:
            part = utf8(text)[begin[unknown[0]] : end[unknown[0]]].decode()
            raise ValueError(
                f"`{name}` must be made of characters that the target vocabulary has. "
                f"Received: {text_name}={text!r} with {part!r}. "
                "Leave them out, or write them otherwise."
            )
        if truncated:
            raise ValueError(
                f"`{name}` must be shorter than a translation, which has at most "
                f"{max_tokens} tokens with the end token. Received: "
                f"{text_name}={text!r} of {len(ids) - 1 + truncated} tokens or more."
            )
