"""Which target words can come up at all in the translation of a source."""

import keras
import numpy as np
from keras import ops

from keras_attn.layers.arguments import check_positive_integer

__all__ = ["LexicalShortlist"]


@keras.saving.register_keras_serializable(package="keras_attn")
class LexicalShortlist(keras.layers.Layer):
    """Chooses the words that the output layer computes, for a batch of sources.

    Half of a decoder step is the product with the vocabulary, of which a sentence
    uses a few words. Allowed are, for each source, the likely translations of its
    words and the most frequent words. The batch computes the union; what is allowed
    to a source does not depend on its batch-mates.

    Args:
        source_size: Size of the source vocabulary.
        target_size: Size of the target vocabulary `V`.
        candidates: Translations of each source word, `C`.
        frequent: Words that are always allowed, `F`.
        special_ids: Ids that come first, in this order.
        pad_id: Of the source: allows nothing, whatever the table says.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        source_ids: `(B, S)` integers.

    Returns:
        words: `(U,)` int32, the ids to compute: `special_ids`, then the others by id.
        allowed: `(B, U)` booleans; each row allows the special ones and its own.

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
        source_size,
        target_size,
        candidates,
        frequent,
        special_ids,
        pad_id=0,
        **kwargs,
    ):
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
        self.build()

    def build(self, source_ids_shape=None):
        if self.built:
            return
        whole = {"initializer": "zeros", "dtype": "int32", "trainable": False}
        self.table = self.add_weight(
            name="table", shape=(self.source_size, self.candidates), **whole
        )
        self.always = self.add_weight(name="always", shape=(self.frequent,), **whole)
        self.built = True

    def load(self, table, always):
        """Sets the words.

        Args:
            table: `(source_size, C)` ids: translations of each source word.
            always: At most `F` ids.
        """
        padded = np.zeros(self.frequent, "int32")
        padded[: len(always)] = always
        self.table.assign(np.asarray(table, "int32"))
        self.always.assign(padded)

    def call(self, source_ids):
        rows = ops.shape(source_ids)[0]
        size = self.target_size
        real = ops.not_equal(source_ids, self.pad_id)[:, :, None]
        likely = ops.take(self.table, source_ids, axis=0)
        likely = ops.reshape(ops.where(real, likely, self.special_ids[0]), (rows, -1))
        usual = ops.broadcast_to(self.always[None], (rows, self.frequent))
        special = ops.convert_to_tensor(self.special_ids, "int32")
        found = [
            likely,
            usual,
            ops.broadcast_to(special[None], (rows, len(self.special_ids))),
        ]
        places = ops.concatenate(found, axis=1) + ops.arange(rows)[:, None] * size
        places = ops.reshape(places, (-1, 1))
        allowed = ops.scatter_update(
            ops.zeros((rows * size,), "bool"),
            places,
            ops.ones_like(places[:, 0], "bool"),
        )
        allowed = ops.reshape(allowed, (rows, size))
        is_special = ops.any(ops.equal(ops.arange(size)[:, None], special), axis=1)
        others = ops.logical_and(ops.any(allowed, axis=0), ops.logical_not(is_special))
        words = ops.concatenate([special, ops.cast(ops.nonzero(others)[0], "int32")])
        return words, ops.take(allowed, words, axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "source_size": self.source_size,
            "target_size": self.target_size,
            "candidates": self.candidates,
            "frequent": self.frequent,
            "special_ids": list(self.special_ids),
            "pad_id": self.pad_id,
        }
