"""Word embeddings, scaled for recurrent layers, and dropout of whole words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from keras_attn.inputs import convert_ids
from keras_attn.layers.arguments import check_positive_integer
from keras_attn.step_ops import take_rows
from keras_attn.typing import Config, DType, LayerOptions, Shape, Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Unpack

__all__ = ["ScaledEmbedding", "create_word_dropout"]


@keras.saving.register_keras_serializable(package="keras_attn")
class ScaledEmbedding(keras.layers.Layer):
    """Looks up word vectors and, as an output layer, scores words against features.

    The table is drawn from N(0, 1 / E) and a looked-up row is multiplied by
    sqrt(E), so that its numbers have variance 1. `keras.layers.Embedding` starts more
    than thirty times smaller, which slows the first epochs down. As an output layer the
    same table gives logits of variance at most 1 for bounded features: a loss of about
    ln V before training.

    Args:
        input_dim: Number of ids `V`.
        output_dim: Width `E`.
        **kwargs: Passed to `keras.layers.Layer`; `trainable=False` freezes the table,
            such as one of pretrained vectors.

    Call arguments:
        ids: Ids of any shape: integers of any type, or floats that hold integers.

    Example:

    >>> embed = ScaledEmbedding(10, 4)
    >>> tuple(embed(ops.array([[7, 3]])).shape)
    (1, 2, 4)
    >>> tuple(embed.logits(ops.ones((1, 2, 4))).shape)
    (1, 2, 10)
    >>> embed.load_vectors(np.ones((2, 4)), ids=[7, 3])

    Reference: Press and Wolf, 2017, arXiv:1608.05859 (one table for both uses).
    """

    def __init__(
        self, input_dim: int, output_dim: int, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        check_positive_integer(self.name, input_dim=input_dim, output_dim=output_dim)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.autocast = False  # float16 cannot hold large ids
        self.supports_masking = True

    def build(self, ids_shape: Shape | None = None) -> None:
        self.table = self.add_weight(
            name="table",
            shape=(self.input_dim, self.output_dim),
            initializer=keras.initializers.RandomNormal(stddev=self.output_dim**-0.5),
        )

    def call(self, ids: Tensor) -> Tensor:
        ids = convert_ids("ids", ids, self.name)
        # TensorFlow's gradient of a lookup is sparse, with a row for every occurrence
        # of a word, and Keras's optimizers treat the rows one by one: Adam then takes
        # other steps than for their sum. The gradient of a reshape is a dense tensor.
        table = ops.reshape(self.table, (self.input_dim, self.output_dim))
        return self._scaled(take_rows(table, ids))

    def look_up(self, ids: Tensor) -> Tensor:
        """Returns what a call returns, in fewer operations; not for training.

        Args:
            ids: int32 or int64 of any shape.
        """
        # Of the table's value: TensorFlow can gather from the variable itself, and from
        # then on copies all of it each time that it is read, as for tied logits.
        return self._scaled(take_rows(ops.convert_to_tensor(self.table), ids))

    def _scaled(self, rows):
        return ops.cast(rows, self.compute_dtype) * self.output_dim**0.5

    def logits(self, features: Tensor) -> Tensor:
        """Returns the logits `(..., V)` of features `(..., E)`."""
        table = ops.cast(self.table, self.compute_dtype)
        return ops.matmul(features, ops.transpose(table))

    def output_kernel(self, ids: Tensor) -> Tensor:
        """Returns the output kernel `(E, U)` of the words `ids` `(U,)`."""
        ids = convert_ids("ids", ids, self.name)
        rows = ops.take(self.table, ids, axis=0)
        return ops.transpose(ops.cast(rows, self.compute_dtype))

    def load_vectors(self, vectors: ArrayLike, ids: ArrayLike | None = None) -> None:
        """Replaces the vectors of all words or of some.

        A lookup then returns these vectors, up to rounding: the table holds them
        divided by sqrt(E). The layers above work best with numbers of variance 1, such
        as `vectors / vectors.std()`.

        Args:
            vectors: `(N, E)` numbers, an array or array-like.
            ids: `(N,)` integers without duplicates, the ids of the vectors; other words
                keep theirs. `None`: all ids, `N = V`.

        Raises:
            ValueError: If a shape does not fit, a vector is not finite, or an id is
                out of range, no integer, or given twice.
        """
        vectors = np.asarray(vectors)
        ids = np.arange(self.input_dim) if ids is None else np.asarray(ids)
        self._check_vectors(vectors, ids)
        if not self.built:
            self.build()
        table = np.array(ops.convert_to_numpy(self.table))
        table[ids] = vectors.astype("float64") / self.output_dim**0.5
        self.table.assign(table)

    def _check_vectors(self, vectors, ids):
        layer = f"(layer {self.name!r})"
        if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
            raise ValueError(
                "`ids` must be integers of shape (N,). "
                f"Received: ids of shape {ids.shape} and dtype {ids.dtype} {layer}."
            )
        if vectors.shape != (len(ids), self.output_dim):
            raise ValueError(
                f"`vectors` must have shape (N, E) = ({len(ids)}, {self.output_dim}): "
                "one row for each id, as wide as the embedding. "
                f"Received: vectors of shape {vectors.shape} {layer}."
            )
        if not np.issubdtype(vectors.dtype, np.number) or np.iscomplexobj(vectors):
            raise ValueError(
                "`vectors` must be real numbers. "
                f"Received: vectors of dtype {vectors.dtype} {layer}."
            )
        fits = (np.abs(vectors) <= np.finfo("float32").max).all(axis=1)
        if not fits.all():
            raise ValueError(
                "`vectors` must be finite and fit into float32. "
                f"Received: vectors[{np.argmin(fits)}] is or does not {layer}."
            )
        outside = (ids < 0) | (ids >= self.input_dim)
        if outside.any():
            raise ValueError(
                f"`ids` must be at least 0 and less than input_dim={self.input_dim}. "
                f"Received: id {ids[np.argmax(outside)]} {layer}."
            )
        unique_ids, counts = np.unique(ids, return_counts=True)
        if (counts > 1).any():
            raise ValueError(
                "`ids` must not contain duplicates. "
                f"Received: id {unique_ids[np.argmax(counts)]} more than once {layer}."
            )

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
        }


def create_word_dropout(
    rate: float,
    *,
    seed: int | None = None,
    name: str | None = None,
    dtype: DType = None,
) -> keras.layers.Dropout:
    """Returns the layer that drops whole words of embedded sentences.

    In training each position is dropped independently with probability `rate`, and the
    other positions are scaled up so that the expected vector is the same:

        y_t = m_t x_t / (1 - rate),    m_t = 0 with probability rate, else 1

    Gal and Ghahramani drop all occurrences of a word in a sentence together; here
    positions are independent.

    Args:
        rate: Dropout rate in [0, 1).
        seed: Seed of the dropout.
        name: Name of the layer.
        dtype: Dtype policy; `None`: the global one.

    Returns:
        A `keras.layers.Dropout` for `(B, L, E)`.

    Example:

    >>> import numpy as np
    >>> drop = create_word_dropout(0.5, seed=1)
    >>> rows = np.array(drop(np.ones((1, 40, 3)), training=True))[0]
    >>> sorted({tuple(map(float, row)) for row in rows})
    [(0.0, 0.0, 0.0), (2.0, 2.0, 2.0)]

    References: Gal and Ghahramani, 2016, arXiv:1512.05287; Sennrich, Haddow and Birch,
    2016, arXiv:1606.02891.
    """
    return keras.layers.Dropout(
        rate, noise_shape=(None, None, 1), seed=seed, name=name, dtype=dtype
    )
