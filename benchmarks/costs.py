"""Operations, and numbers read and written, that a model asks of a machine: counted."""

from keras_attn import Seq2SeqConfig

# Reads and writes of each energy of additive attention, (B, T, S, A). Forward: sum of
# key and query (2), tanh (2), score (1). Backward: these again (5), gradient through
# the score (1) and tanh (3), of the query (1), of the key (3) and of the scoring
# weights (1).
_ENERGY = 19

# Of each logit, (B, T, V). Forward: bias (2), softmax (2), maximum of logits and of p
# (2), mean for label smoothing (1). Backward: p less the smoothed target (2), times
# the incoming gradient (2), labels put in (2), gradient of the bias (1).
_LOGIT = 14

# Of each weight: norm of the gradient (1), its clipping (2), Adam (7).
_UPDATE = 10


def training_flops(
    config: Seq2SeqConfig, source_tokens: int, target_tokens: int
) -> int:
    """Returns the operations in the matrix products of training on so many tokens.

    Those of `decoding_flops` forward, and twice as many backward: for the gradients
    of the input and of the weight.

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
    """Returns the operations in the matrix products of encoding and decoding tokens.

    Two for each weight and token, end tokens included. Padding, further hypotheses of
    a beam and elementwise operations do not count.

    Raises:
        ValueError: If the model is not one layer of GRUs with additive attention.
    """
    source, target = weights_per_token(config)
    return 2 * (source_tokens * source + target_tokens * target)


def weights_per_token(config: Seq2SeqConfig) -> tuple[int, int]:
    """Returns the weights that are multiplied with one source and one target token.

    Raises:
        ValueError: If the model is not one layer of GRUs with additive attention.
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


def training_traffic(
    config: Seq2SeqConfig, batch: int, source: int, target: int
) -> int:
    """Returns how often a training step reads or writes a float32 number.

    Counted is what grows with more than one size, or with the vocabulary: energies,
    logits, the weights that the loops read at each step, forward and backward, and the
    update of all weights.

    Args:
        config: Sizes of the model.
        batch: Number of sentence pairs.
        source: Tokens of each source, end token included.
        target: Tokens of each target, end token included.

    Raises:
        ValueError: If the model is not one layer of GRUs with additive attention.
    """
    encoder, decoder = weights_per_token(config)
    embeddings = config.embedding_dim * (
        config.source_vocabulary_size
        + (0 if config.share_embeddings else config.target_vocabulary_size)
    )
    state, hidden = config.decoder_units, config.encoder_units
    memory = 2 * hidden
    encoder_loop = 2 * 3 * hidden * hidden
    decoder_loop = state * config.attention_units + 3 * state * (memory + state)
    return (
        _ENERGY * batch * target * source * config.attention_units
        + _LOGIT * batch * target * config.target_vocabulary_size
        + 2 * (source * encoder_loop + target * decoder_loop)
        + _UPDATE * (encoder + decoder + embeddings)
    )
