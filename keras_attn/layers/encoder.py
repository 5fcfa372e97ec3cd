"""The encoder: embedding and a bidirectional RNN, one state per source word."""

import keras
from keras import ops

from keras_attn.layers.arguments import check_positive_integer, check_rate
from keras_attn.layers.scaled_embedding import ScaledEmbedding

__all__ = ["Encoder", "make_cell"]

_CELLS = {
    "gru": keras.layers.GRUCell,
    "lstm": keras.layers.LSTMCell,
    "simple_rnn": keras.layers.SimpleRNNCell,
}


def make_cell(kind, units, **kwargs):
    """Returns a Keras RNN cell by its kind: `"gru"`, `"lstm"` or `"simple_rnn"`.

    Raises:
        ValueError: If `kind` is none of these.
    """
    if kind not in _CELLS:
        raise ValueError(
            f"`cell` must be one of {', '.join(map(repr, _CELLS))}. "
            f"Received: cell={kind!r}."
        )
    return _CELLS[kind](units, **kwargs)


@keras.saving.register_keras_serializable(package="keras_attn")
class Encoder(keras.layers.Layer):
    """Reads a source in both directions and leaves one state per word.

    The state of a word is the forward state, which has read all words up to it,
    beside the backward state, which has read all words after it:

        h_j = [forward_j ; backward_j]

    Args:
        vocabulary_size: Number of ids `V`.
        embedding_dim: Width `E` of the word embeddings.
        units: Width of each direction; `M = 2 * units`.
        cell: `"gru"`, `"lstm"` or `"simple_rnn"`.
        dropout: Rate at which embeddings and states are dropped in training.
        seed: Of the dropout.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        ids: `(B, S)` integers, padded on the right.
        ids_mask: `(B, S)` booleans, True for a real token; `None`: all real.
        training: Whether to drop.

    Returns:
        memory: `(B, S, M)` in the compute dtype; zeros where `ids_mask` is False.
        summary: `(B, M)`, each direction's state after its last word.

    Raises:
        ValueError: If an argument is out of range or `cell` is unknown.

    Example:

    >>> encode = Encoder(vocabulary_size=10, embedding_dim=4, units=3)
    >>> ids = ops.array([[7, 8, 3], [9, 3, 0]])
    >>> memory, summary = encode(ids, ids_mask=ids != 0)
    >>> tuple(memory.shape), tuple(summary.shape)
    ((2, 3, 6), (2, 6))

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, section 3.2.
    """

    def __init__(
        self,
        vocabulary_size,
        embedding_dim,
        units,
        cell="gru",
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units)
        check_rate(self.name, dropout=dropout)
        self.units = units
        self.cell_name = cell
        self.seed = seed
        policy = self.dtype_policy
        self.embedding = ScaledEmbedding(
            vocabulary_size, embedding_dim, name="embedding", dtype=policy
        )
        # All parts are named, so that the paths of weights do not count instances.
        self.rnn = keras.layers.Bidirectional(
            keras.layers.RNN(
                make_cell(cell, units, name="cell", dtype=policy),
                return_sequences=True,
                return_state=True,
                zero_output_for_mask=True,
                name="rnn",
                dtype=policy,
            ),
            name="rnn",
            dtype=policy,
        )
        self.dropout = keras.layers.Dropout(
            dropout, seed=seed, name="dropout", dtype=policy
        )

    def build(self, ids_shape):
        self.embedding.build(ids_shape)
        self.rnn.build((*ids_shape, self.embedding.output_dim))

    def call(self, ids, ids_mask=None, training=None):
        embeddings = self.dropout(self.embedding(ids), training=training)
        memory, *states = self.rnn(embeddings, mask=ids_mask, training=training)
        # An LSTM's states are (h, c) for each direction: the summary is of the h.
        summary = ops.concatenate([states[0], states[len(states) // 2]], axis=-1)
        return self.dropout(memory, training=training), summary

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.embedding.input_dim,
            "embedding_dim": self.embedding.output_dim,
            "units": self.units,
            "cell": self.cell_name,
            "dropout": self.dropout.rate,
            "seed": self.seed,
        }
