"""A lexical shortlist: the target words that can occur in a translation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from keras_attn.inputs import convert_ids
from keras_attn.layers.arguments import check_positive_integer, check_rank
from keras_attn.typing import Config, LayerOptions, Shape, Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Unpack

__all__ = ["LexicalShortlist"]


@keras.saving.register_keras_serializable(package="keras_attn")
class LexicalShortlist(keras.layers.Layer):
    """Chooses the words that the output layer computes, for a batch of sources.

    Half of a decoder step is the product with the vocabulary, of which a sentence uses
    a few words. Allowed for a source are the likely translations of its words and the
    most frequent words. The output layer computes the union over the batch; which words
    are allowed for a source does not depend on the other sources of its batch.

    Args:
        source_size: Size of the source vocabulary.
        target_size: Size of the target vocabulary `V`.
        candidates: Number of translations of each source word, `C`.
        frequent: Number of words that are always allowed, `F`.
        special_ids: Ids that come first, in this order.
        pad_id: Source id of padding, which allows no word.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        source_ids: `(B, S)` integers.

    Returns:
        words: `(U,)` int32, the ids to compute: `special_ids`, then the others by id.
        allowed: `(B, U)` booleans; each row allows the special ids and its own words.

    Raises:
        ValueError: If a number is not positive.

    Example:

    >>> sizes = {"source_size": 4, "target_size": 10, "candidates": 2, "frequent": 1}
    >>> shortlist = LexicalShortlist(**sizes, special_ids=(0, 1))
    >>> shortlist.load(np.array([[8, 8], [8, 8], [5, 6], [7, 5]]), np.array([9]))
    >>> words, allowed = shortlist(ops.array([[2, 2], [3, 0]]))
    >>> ops.convert_to_numpy(words).tolist()
    [0, 1, 5, 6, 7, 9]
    >>> ops.convert_to_numpy(allowed).astype(int).tolist()
    [[1, 1, 1, 1, 0, 1], [1, 1, 1, 0, 1, 1]]

    Reference: L'Hostis, Grangier and Auli, 2016, arXiv:1610.00072, section 3.2 (word
    alignments); here one mask a sentence.
    """

    def __init__(
        self,
        source_size: int,
        target_size: int,
        candidates: int,
        frequent: int,
        special_ids: Sequence[int],
        pad_id: int = 0,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**{"trainable": False, "name": "lexical_shortlist", **kwargs})
        check_positive_integer(
            self.name,
            source_size=source_size,
            target_size=target_size,
            candidates=candidates,
            frequent=frequent,
        )
        self.source_size = source_size
        self.target_size = target_size
        self.candidates = candidates
        self.frequent = frequent
        self.special_ids = tuple(special_ids)
        self.pad_id = pad_id
        self.autocast = False  # float16 cannot hold large ids
        self.build()

    def build(self, source_ids_shape: Shape | None = None) -> None:
        if self.built:
            return
        options = {"initializer": "zeros", "dtype": "int32", "trainable": False}
        self.table = self.add_weight(
            name="table", shape=(self.source_size, self.candidates), **options
        )
        self.always = self.add_weight(name="always", shape=(self.frequent,), **options)
        self.built: bool = True

    def load(self, table: ArrayLike, always: Sequence[int] | np.ndarray) -> None:
        """Sets the allowed words.

        Args:
            table: `(source_size, C)` ids, the translations of each source word.
            always: At most `F` ids that are always allowed.
        """
        padded = np.zeros(self.frequent, "int32")
        padded[: len(always)] = always
        self.table.assign(np.asarray(table, "int32"))
        self.always.assign(padded)

    def call(self, source_ids: Tensor) -> tuple[Tensor, Tensor]:
        source_ids = convert_ids("source_ids", source_ids, self.name)
        check_rank(self.name, 2, "(B, S)", source_ids=source_ids)
        rows = ops.shape(source_ids)[0]
        size = self.target_size
        is_real = ops.not_equal(source_ids, self.pad_id)[:, :, None]
        translations = ops.take(self.table, source_ids, axis=0)  # (B, S, C)
        translations = ops.where(is_real, translations, self.special_ids[0])
        special = ops.convert_to_tensor(self.special_ids, "int32")
        word_ids = ops.concatenate(
            [
                ops.reshape(translations, (rows, -1)),
                ops.broadcast_to(self.always[None], (rows, self.frequent)),
                ops.broadcast_to(special[None], (rows, len(self.special_ids))),
            ],
            axis=1,
        )
        # Scattered into one flat axis (B * V,).
        indices = ops.reshape(word_ids + ops.arange(rows)[:, None] * size, (-1, 1))
        allowed = ops.scatter_update(
            ops.zeros((rows * size,), "bool"),
            indices,
            ops.ones_like(indices[:, 0], "bool"),
        )
        allowed = ops.reshape(allowed, (rows, size))
        is_special = ops.any(ops.equal(ops.arange(size)[:, None], special), axis=1)
        others = ops.logical_and(ops.any(allowed, axis=0), ops.logical_not(is_special))
        words = ops.concatenate([special, ops.cast(ops.nonzero(others)[0], "int32")])
        return words, ops.take(allowed, words, axis=1)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "source_size": self.source_size,
            "target_size": self.target_size,
            "candidates": self.candidates,
            "frequent": self.frequent,
            "special_ids": list(self.special_ids),
            "pad_id": self.pad_id,
        }
