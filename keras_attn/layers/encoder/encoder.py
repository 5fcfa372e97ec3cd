"""The encoder: embedding and bidirectional RNNs, one state per source word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from keras_attn.inputs import convert_ids
from keras_attn.layers.arguments import (
    check_axes,
    check_positive_integer,
    check_rank,
    check_rate,
)
from keras_attn.layers.embedding import ScaledEmbedding, create_word_dropout
from keras_attn.layers.encoder.bidirectional import (
    create_bidirectional,
    get_summary,
    run_bidirectional,
)
from keras_attn.masking import attach_mask, carried_mask, check_boolean
from keras_attn.typing import Config, LayerOptions, Shape, Structure, Tensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Encoder"]

_WORD_DROPOUT_SEED_OFFSET = 3000  # unlike the seeds of the cells, seed + 1, + 2, ...


@keras.saving.register_keras_serializable(package="keras_attn")
class Encoder(keras.layers.Layer):
    """Embeds a source and runs bidirectional RNNs over it: one state per word.

    The state of a word is the forward state, which has read all words up to it,
    concatenated with the backward state, which has read all words from it on:

        h_j = [forward_j ; backward_j]

    With several layers, each reads both directions of the one below, and the memory
    is the top layer's. With `residual` the input of a layer is added to its output:

        h_j^1 = [forward(x)_j ; backward(x)_j]
        h_j^l = [forward(h^{l-1})_j ; backward(h^{l-1})_j]  ( + h_j^{l-1} )

    So are the stacks of JoeyNMT, PyTorch's bidirectional RNNs and OpenNMT's deep
    bidirectional encoder. In TensorFlow's NMT tutorial the two directions are separate
    below the top.

    Args:
        vocabulary_size: Number of ids `V`.
        embedding_dim: Width `E` of the word embeddings.
        units: Width of each direction; `M = 2 * units`.
        cell: `"gru"`, `"lstm"` or `"simple_rnn"`.
        layers: Number of bidirectional layers.
        residual: Whether layers above the first add their input.
        layer_norm: Whether the cells are layer-normalised.
        dropout: Dropout rate of embeddings and of each layer's output in training. The
            input that `residual` adds is not dropped.
        recurrent_dropout: Dropout rate of the cells' states in training: one mask a
            sequence.
        word_dropout: Rate at which whole words are dropped in training: their vectors
            are zeros.
        summary: `"last"`, each direction's state in the top layer after its last
            word, or `"mean"`, the mean of the memory over real words.
        trainable_embedding: Whether the word vectors are trained. See
            `ScaledEmbedding.load_vectors` for pretrained vectors.
        seed: Seed of the dropout.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        ids: `(B, S)` ids. Padding, usually on the right, is skipped in both
            directions wherever it stands.
        ids_mask: `(B, S)` booleans, True for a real token; `None`: the mask that Keras
            carries with `ids`, or without one, all real.
        training: Whether to apply dropout.

    Returns:
        memory: `(B, S, M)` in the compute dtype; zeros where `ids_mask` is False. Keras
            carries the mask with it.
        summary: `(B, M)`; zeros for a row without any real token. It is computed
            before dropout, and `"last"` before the top layer's input is added.

    Raises:
        ValueError: If an argument is out of range, `cell` or `summary` is unknown,
            or `ids` or `ids_mask` has the wrong dtype or shape.

    Example:

    >>> from keras import ops
    >>> encode = Encoder(vocabulary_size=10, embedding_dim=4, units=3, layers=2)
    >>> ids = ops.array([[7, 8, 3], [9, 3, 0]])
    >>> memory, summary = encode(ids, ids_mask=ids != 0)
    >>> tuple(memory.shape), tuple(summary.shape)
    ((2, 3, 6), (2, 6))

    Reference: Bahdanau et al., 2015, arXiv:1409.0473, section 3.2; residual
    connections, Wu et al., 2016, arXiv:1609.08144, section 3.1.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        units: int,
        cell: str = "gru",
        layers: int = 1,
        residual: bool = False,
        layer_norm: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        summary: str = "last",
        word_dropout: float = 0.0,
        trainable_embedding: bool = True,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, units=units, layers=layers)
        check_rate(
            self.name,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            word_dropout=word_dropout,
        )
        self.units = units
        self.cell_name = cell
        self.residual = residual
        self.layer_norm = layer_norm
        self.recurrent_dropout = recurrent_dropout
        self.summary_kind = summary
        self.summarize = get_summary(summary, self.name)
        self.seed = seed
        self.autocast = False  # float16 cannot hold large ids
        self.supports_masking = True
        policy = self.dtype_policy
        self.embedding = ScaledEmbedding(
            vocabulary_size,
            embedding_dim,
            trainable=trainable_embedding,
            name="embedding",
            dtype=policy,
        )
        # The first layer has its own attribute name, which saved models use.
        self.rnn, *self.upper_rnns = (
            create_bidirectional(
                cell,
                units,
                layer=layer,
                layer_norm=layer_norm,
                recurrent_dropout=recurrent_dropout,
                seed=seed,
                dtype=policy,
            )
            for layer in range(layers)
        )
        self.dropout = keras.layers.Dropout(
            dropout, seed=seed, name="dropout", dtype=policy
        )
        self.word_dropout = create_word_dropout(
            word_dropout,
            seed=None if seed is None else seed + _WORD_DROPOUT_SEED_OFFSET,
            name="word_dropout",
            dtype=policy,
        )

    def build(self, ids_shape: Shape) -> None:
        check_rank(self.name, 2, "(B, S)", ids=ids_shape)
        if not self.embedding.built:  # vectors may have been loaded into it
            self.embedding.build(ids_shape)
        width = self.embedding.output_dim
        for rnn in [self.rnn, *self.upper_rnns]:
            rnn.build((*ids_shape, width))
            width = 2 * self.units

    def call(
        self, ids: Tensor, ids_mask: Tensor | None = None, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        if ids_mask is None:
            ids_mask = carried_mask(ids)
        ids = convert_ids("ids", ids, self.name)
        check_boolean("ids_mask", ids_mask, self.name)
        check_axes(self.name, ids=(ids, "BS"), ids_mask=(ids_mask, "BS"))
        embeddings = self.word_dropout(self.embedding(ids), training=training)
        embeddings = self.dropout(embeddings, training=training)
        states, last = run_bidirectional(self.rnn, embeddings, ids_mask, training)
        for rnn in self.upper_rnns:
            below = self.dropout(states, training=training)
            above, last = run_bidirectional(rnn, below, ids_mask, training)
            states = states + above if self.residual else above
        summary = self.summarize(states, last, ids_mask)
        memory = attach_mask(self.dropout(states, training=training), ids_mask)
        return memory, summary

    def compute_mask(
        self, inputs: Structure, previous_mask: Structure = None
    ) -> tuple[Structure, None]:
        """Returns the masks of memory and summary."""
        return previous_mask, None

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "vocabulary_size": self.embedding.input_dim,
            "embedding_dim": self.embedding.output_dim,
            "units": self.units,
            "cell": self.cell_name,
            "layers": 1 + len(self.upper_rnns),
            "residual": self.residual,
            "layer_norm": self.layer_norm,
            "dropout": self.dropout.rate,
            "recurrent_dropout": self.recurrent_dropout,
            "word_dropout": self.word_dropout.rate,
            "summary": self.summary_kind,
            "trainable_embedding": self.embedding.trainable,
            "seed": self.seed,
        }
