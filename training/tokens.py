"""Many tokenised sentences in three arrays."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["Tokens", "tokenize"]

_AT_ONCE = 1024  # sentences: enough to keep the tokenizer's threads busy


@dataclasses.dataclass(frozen=True, eq=False)
class Tokens:
    """The ids of many sentences end to end, without start and end tokens.

    Attributes:
        ids: `(total,)` int32.
        begins: `(N,)` int64, where each sentence begins in `ids`.
        lengths: `(N,)` int64.
    """

    ids: np.ndarray
    begins: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, ids: np.ndarray, lengths: np.ndarray) -> "Tokens":
        """Returns sentences that lie in `ids` one after the other, without gaps."""
        return cls(ids, np.cumsum(lengths) - lengths, lengths)

    def select(self, indices: np.ndarray) -> "Tokens":
        """Returns some of the sentences."""
        return Tokens(self.ids, self.begins[indices], self.lengths[indices])

    def replaced(self, where: np.ndarray, other: "Tokens") -> "Tokens":
        """Returns the sentences, those of `other` where `where` `(N,)` is True."""
        if not where.any():
            return self
        return Tokens(
            np.concatenate([self.ids, other.ids]),
            np.where(where, other.begins + len(self.ids), self.begins),
            np.where(where, other.lengths, self.lengths),
        )

    def fill(self, rows: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Writes sentences to the left of `rows` `(B, T)`; returns their lengths."""
        lengths = self.lengths[indices]
        position = np.arange(rows.shape[1])
        row, column = np.nonzero(position < lengths[:, np.newaxis])
        rows[row, column] = self.ids[self.begins[indices][row] + column]
        return lengths


def tokenize(texts: Sequence[str], codec: Any) -> Tokens:
    """Runs a codec in the graph, many sentences at a time.

    Args:
        texts: The sentences.
        codec: Has `tokenize(texts) -> RaggedTensor` of int32 ids, such as
            `SubwordCodec`.
    """
    if not texts:
        return Tokens.of(np.zeros(0, "int32"), np.zeros(0, "int64"))
    dataset = (
        tf.data.Dataset.from_tensor_slices(list(texts))
        .batch(_AT_ONCE)
        .map(codec.tokenize, num_parallel_calls=tf.data.AUTOTUNE)
        .map(lambda ragged: (ragged.flat_values, ragged.row_lengths()))
        .prefetch(1)
    )
    ids, counts = zip(*dataset.as_numpy_iterator(), strict=True)
    return Tokens.of(np.concatenate(ids), np.concatenate(counts))
