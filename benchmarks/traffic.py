"""What a training step reads and writes beside its matrix products' operations.

Counted in float32 numbers, each time one is read or written. A machine has a rate for
these as it has one for products, and a step needs the time of both.
"""

from benchmarks.machine import weights_a_token
from keras_attn import Seq2SeqConfig

__all__ = ["training_traffic"]

# Reads and writes of each energy of additive attention, (B, T, S, A). Forward: sum of
# key and query (2), tanh (2), score (1). Backward: these again (5), gradient through
# the score (1) and tanh (3), of the query (1), of the key (3) and of the scoring
# weights (1).
_ENERGY = 19

# Of each logit, (B, T, V). Forward: bias (2), softmax (2), maximum of logits and of p
# (2), mean for label smoothing (1). Backward: p less the smoothed target (2), times
# what flows back (2), labels put in (2), gradient of the bias (1).
_LOGIT = 14

# Of each weight: norm of the gradient (1), its clipping (2), Adam (7).
_UPDATE = 10


def training_traffic(
    config: Seq2SeqConfig, batch: int, source: int, target: int
) -> int:
    """Returns how often a training step reads or writes a number.

    Counted is what grows with more than one size, or with the vocabulary: energies,
    logits, the weights that the loops read at each of their steps, forward and
    backward, and the update of all weights.

    Args:
        config: Sizes, with one layer on each side.
        batch: Sentences.
        source: Tokens of each source, end token included.
        target: Tokens of each target, end token included.

    Raises:
        ValueError: If the formula does not hold for the config.
    """
    encoder, decoder = weights_a_token(config)
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
