"""Greedy search as one writes it in Keras alone, from text to text."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from benchmarks.peers.plain_keras import plain_keras
from benchmarks.peers.plain_keras_decoding import load_weights, make_greedy
from benchmarks.peers.weights import export_weights
from keras_attn import Translator
from keras_attn.translator.batches import in_batches

__all__ = ["plain_keras_search"]

_MOST_TOKENS, _PER_SOURCE_TOKEN, _MORE = 256, 3, 10  # as a `Translator` has them


def plain_keras_search(
    translator: Translator, batch_size: int
) -> Callable[[Sequence[str]], list[list]]:
    """Returns a search with the translator's weights, vocabulary and batches.

    One batch after the other, each with all threads; nothing but the text is computed.

    Args:
        translator: With the model that the peers have.
        batch_size: Texts computed together.

    Returns:
        From texts to `[text, source tokens, target tokens]` of each.

    Raises:
        ValueError: If the translator has another model.
    """
    source, target = translator.source_codec, translator.target_codec
    weights = export_weights(translator.seq2seq)  # refuses other models
    model = plain_keras(translator.seq2seq.config, learning_rate=0.0, clip_norm=1.0)
    load_weights(model, weights)
    search = make_greedy(
        model,
        start_id=target.start_id,
        end_id=target.end_id,
        pad_id=target.pad_id,
        forbidden_ids=(target.pad_id, target.unknown_id, target.start_id),
    )

    def answer(texts):
        ragged = source.tokenize(tf.constant(texts))[:, : _MOST_TOKENS - 1]
        ends = tf.fill([len(texts), 1], source.end_id)
        ragged = tf.concat([ragged, ends], axis=1)
        lengths = tf.cast(ragged.row_lengths(), tf.int32)
        limits = tf.minimum(_PER_SOURCE_TOKEN * lengths + _MORE, _MOST_TOKENS)
        found = search(ragged.to_tensor(source.pad_id), limits)
        real = (found != target.pad_id) & (found != target.end_id)
        written = target.tokenizer.detokenize(tf.ragged.boolean_mask(found, real))
        counts = 1 + tf.math.count_nonzero(real, axis=1)
        columns = written.numpy(), lengths.numpy(), counts.numpy()
        return [
            [text.decode(), int(n), int(m)] for text, n, m in zip(*columns, strict=True)
        ]

    def answer_all(texts):
        def answer_rows(rows):
            return answer([texts[row] for row in rows])

        return in_batches(answer_rows, texts, batch_size, parallel_batches=1)

    return answer_all
