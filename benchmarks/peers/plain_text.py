"""Texts in and out of models that read ids, by the rules of a `Translator`."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from benchmarks.peers.plain_keras import make_greedy

# The limits of a `Translator`.
MOST_TOKENS = 256
_PER_SOURCE_TOKEN, _MORE = 3, 10


class Encoded(NamedTuple):
    """Texts as ids.

    Attributes:
        ids: `(B, None)` ragged int32 ids with their end tokens.
        lengths: `(B,)` int32 numbers of them.
        limits: `(B,)` int32, most tokens of each translation, end token included.
    """

    ids: tf.RaggedTensor
    lengths: tf.Tensor
    limits: tf.Tensor


def encode_texts(codec: Any, texts: Sequence[str]) -> Encoded:
    """Returns texts as ids of a codec, cut off where a `Translator` does."""
    ragged = codec.tokenize(tf.constant(texts))[:, : MOST_TOKENS - 1]
    ids = tf.concat([ragged, tf.fill([len(texts), 1], codec.end_id)], axis=1)
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    limits = tf.minimum(_PER_SOURCE_TOKEN * lengths + _MORE, MOST_TOKENS)
    return Encoded(ids, lengths, limits)


def make_text_search(
    model: Any, source: Any, target: Any
) -> Callable[[Sequence[str]], list[list[Any]]]:
    """Returns greedy search of a `PlainTranslator` from texts to texts, one batch.

    Args:
        model: The model; its weights of the moment are used.
        source: Codec of the sources.
        target: Codec of the translations.

    Returns:
        A function from texts to `[text, source tokens, target tokens]` of each, both
        counts with the end token.
    """
    search = make_greedy(
        model,
        start_id=target.start_id,
        end_id=target.end_id,
        pad_id=target.pad_id,
        forbidden_ids=(target.pad_id, target.unknown_id, target.start_id),
    )

    def translate(texts: Sequence[str]) -> list[list[Any]]:
        encoded = encode_texts(source, texts)
        ids = search(encoded.ids.to_tensor(source.pad_id), encoded.limits)
        real = (ids != target.pad_id) & (ids != target.end_id)
        written = target.tokenizer.detokenize(tf.ragged.boolean_mask(ids, real))
        counts = 1 + tf.math.count_nonzero(real, axis=1)
        columns = written.numpy(), encoded.lengths.numpy(), counts.numpy()
        return [
            [text.decode(), int(n), int(m)] for text, n, m in zip(*columns, strict=True)
        ]

    return translate
