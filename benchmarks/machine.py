"""What the machine can do, measured in the same run, and what a model asks of it."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_attn import Seq2SeqConfig

__all__ = [
    "decoding_flops",
    "measure_sgemm",
    "measure_stream",
    "training_flops",
    "weights_a_token",
]


def measure_sgemm(size: int = 2048, times: int = 5) -> float:
    """Returns the operations a second of a large float32 matrix product, the median.

    Multiplications and additions count one each: `2 size^3` a product.
    """
    matrix = tf.random.stateless_normal((size, size), seed=(0, 0))
    return _rate(2 * size**3, lambda: tf.matmul(matrix, matrix)[0, 0].numpy(), times)


def measure_stream(size: int = 2**24, times: int = 10) -> float:
    """Returns the numbers a second that a sum reads and writes, the median.

    Args:
        size: Numbers added to as many others: several times what caches hold.
        times: Sums that are measured.
    """
    total, ones = tf.Variable(tf.zeros([size])), tf.ones([size])
    return _rate(3 * size, lambda: total.assign_add(ones), times)


def _rate(amount: int, work: Callable[[], Any], times: int) -> float:
    """Returns how much a second is done by work of this amount, the median."""
    found = []
    for _ in range(times + 1):
        started = time.perf_counter()
        work()
        found.append(amount / (time.perf_counter() - started))
    return statistics.median(found[1:])  # the first one warms up


def training_flops(
    config: Seq2SeqConfig, source_tokens: int, target_tokens: int
) -> int:
    """Returns the operations in the matrix products of training on so many tokens.

    Those of `decoding_flops` forward, and twice as many backward: for the gradients
    of what goes in and of the weight.

    Args:
        config: Sizes, with one layer on each side.
        source_tokens: With end tokens.
        target_tokens: With end tokens.

    Raises:
        ValueError: If the formula does not hold for the config.

    Example:
    >>> config = Seq2SeqConfig(
    ...     source_vocabulary_size=8000, target_vocabulary_size=8000,
    ...     embedding_dim=256, encoder_units=256, decoder_units=512,
    ...     attention_units=512, readout_units=512, tie_embeddings=False,
    ... )
    >>> round(training_flops(config, 1000, 1000) / 1e9, 1)  # in billions
    48.2
    """
    return 3 * decoding_flops(config, source_tokens, target_tokens)


def decoding_flops(
    config: Seq2SeqConfig, source_tokens: int, target_tokens: int
) -> int:
    """Returns the operations in the matrix products of reading and writing tokens.

    Two for each weight and token. Counted are tokens without padding, one hypothesis
    a sentence, and no elementwise operation; for a GRU and additive attention.

    Args:
        config: Sizes, with one layer on each side.
        source_tokens: Read, with end tokens.
        target_tokens: Written, with end tokens.

    Raises:
        ValueError: If the formula does not hold for the config.
    """
    source, target = weights_a_token(config)
    return 2 * (source_tokens * source + target_tokens * target)


def weights_a_token(config: Seq2SeqConfig) -> tuple[int, int]:
    """Returns the weights that one source token passes, and one target token.

    Raises:
        ValueError: If the formula does not hold for the config.
    """
    if (config.cell, config.attention, config.order) != (
        "gru", "additive", "bahdanau"
    ) or config.encoder_layers * config.decoder_layers != 1:  # fmt: skip
        raise ValueError(
            "The formula holds for one layer of GRU cells and additive attention. "
            f"Received: config={config}."
        )
    embedding, hidden = config.embedding_dim, config.encoder_units
    memory, state = 2 * config.encoder_units, config.decoder_units
    readout = config.readout_units
    encoder = 2 * 3 * hidden * (embedding + hidden) + memory * config.attention_units
    decoder = (
        state * config.attention_units
        + 3 * state * (embedding + memory + state)
        + readout * (state + memory + embedding)
        + readout * config.target_vocabulary_size
    )
    return encoder, decoder
