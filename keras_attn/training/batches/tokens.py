"""Tokenised sentences: some in memory, the pairs of a corpus on disk."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from keras_attn.training.corpora.stored_file import StoredFile

__all__ = ["AT_ONCE", "TokenPairs", "Tokens", "chunks", "tokenize", "tokenizer"]

AT_ONCE = 65_536  # sentences in memory: words repeat among so many

_ID_BYTES = 4
_TOKENIZED_AT_ONCE = 2_048  # sentences: enough to keep the tokenizer's threads busy

_Item = TypeVar("_Item")


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
        lengths = lengths.astype("int64")
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

    def fill(self, rows: np.ndarray) -> None:
        """Writes the sentences to the left of `rows` `(N, T)`."""
        row, column = np.nonzero(np.arange(rows.shape[1]) < self.lengths[:, np.newaxis])
        rows[row, column] = self.ids[self.begins[row] + column]

    def joined(self, other: "Tokens") -> np.ndarray:
        """Returns the ids of sentence 0, `other`'s sentence 0, sentence 1 and so on."""
        lengths = np.stack([self.lengths, other.lengths], axis=1).ravel()
        begins = np.stack([self.begins, other.begins + len(self.ids)], axis=1).ravel()
        within = np.arange(lengths.sum()) - np.repeat(
            np.cumsum(lengths) - lengths, lengths
        )
        ids = np.concatenate([self.ids, other.ids])
        return ids[np.repeat(begins, lengths) + within].astype("int32")


@dataclasses.dataclass(frozen=True, eq=False)
class TokenPairs:
    """The ids of sentence pairs: lengths in memory, ids in a file.

    Attributes:
        file: The ids of each pair, int32, those of the target behind the source's.
        begins: `(N,)` unsigned, where each pair begins in the file, in ids.
        source_lengths: `(N,)` unsigned.
        target_lengths: `(N,)` unsigned.
        offset: Bytes before the first id.
    """

    file: StoredFile
    begins: np.ndarray
    source_lengths: np.ndarray
    target_lengths: np.ndarray
    offset: int = 0

    @classmethod
    def of(cls, file: StoredFile, lengths: np.ndarray, offset: int = 0) -> "TokenPairs":
        """Returns pairs that lie in a file one after the other.

        Args:
            file: See above.
            lengths: `(N, 2)`, of sources and targets.
            offset: Bytes before the first id.
        """
        ends = np.cumsum(lengths.sum(axis=1, dtype="int64"))
        begins = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
        source, target = lengths.T
        return cls(file, _small(begins), _small(source), _small(target), offset)

    @classmethod
    def written(
        cls, parts: Iterable[tuple[Tokens, Tokens]], file: StoredFile
    ) -> "TokenPairs":
        """Writes sources and targets, part by part, to an empty file."""
        lengths = [np.zeros((0, 2), "int32")]
        for source, target in parts:
            file.append(source.joined(target).tobytes())
            lengths.append(
                np.stack([source.lengths, target.lengths], axis=1).astype("int32")
            )
        return cls.of(file, np.concatenate(lengths))

    def __len__(self) -> int:
        return len(self.begins)

    def select(self, rows: np.ndarray) -> "TokenPairs":
        """Returns some of the pairs, `rows` rising."""
        if len(rows) == len(self):
            return self
        return dataclasses.replace(
            self,
            begins=self.begins[rows],
            source_lengths=_small(self.source_lengths[rows]),
            target_lengths=_small(self.target_lengths[rows]),
        )

    def read(self, indices: np.ndarray) -> tuple[Tokens, Tokens]:
        """Reads the sources and the targets of some pairs.

        Args:
            indices: `(B,)`, which ones, at least one.
        """
        begins, source, target = (
            array[indices].astype("int64")
            for array in (self.begins, self.source_lengths, self.target_lengths)
        )
        lengths = source + target
        places = (self.offset + _ID_BYTES * begins).tolist()
        if (np.diff(begins) == lengths[:-1]).all():  # one after the other: one read
            data = self.file.read(places[0], _ID_BYTES * int(lengths.sum()))
        else:
            sizes = (_ID_BYTES * lengths).tolist()
            data = b"".join(map(self.file.read, places, sizes))
        ids = np.frombuffer(data, "<i4")
        first = np.cumsum(lengths) - lengths
        return Tokens(ids, first, source), Tokens(ids, first + source, target)

    def lengths(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the lengths of sources and targets, `AT_ONCE` pairs at a time."""
        for first in range(0, len(self), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            yield self.source_lengths[part], self.target_lengths[part]

    def __iter__(self) -> Iterator[tuple[Tokens, Tokens]]:
        """Yields all of them in order, `AT_ONCE` pairs at a time."""
        for first in range(0, len(self), AT_ONCE):
            yield self.read(np.arange(first, min(first + AT_ONCE, len(self))))


def chunks(items: Iterable[_Item], size: int = AT_ONCE) -> Iterator[list[_Item]]:
    """Yields lists of `size` items; the last one may have fewer.

    Example:
    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    found: list[_Item] = []
    for item in items:
        found.append(item)
        if len(found) == size:
            yield found
            found = []
    if found:
        yield found


def tokenize(texts: Sequence[str], codec: Any) -> Tokens:
    """Runs a codec in the graph, many sentences at a time.

    Args:
        texts: The sentences.
        codec: Has `tokenize(texts) -> RaggedTensor` of int32 ids, such as
            `SubwordCodec`.
    """
    run = tokenizer(codec)
    found = [run(part) for part in chunks(texts, _TOKENIZED_AT_ONCE)]
    if not found:
        return Tokens.of(np.zeros(0, "int32"), np.zeros(0, "int64"))
    ids, lengths = zip(*((each.ids, each.lengths) for each in found), strict=True)
    return Tokens.of(np.concatenate(ids), np.concatenate(lengths))


def tokenizer(codec: Any) -> Callable[[Sequence[str]], Tokens]:
    """Returns the codec as a function from some thousand sentences to their tokens."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def graph(texts):
        ragged = codec.tokenize(texts)
        return ragged.flat_values, ragged.row_lengths()

    def run(texts: Sequence[str]) -> Tokens:
        ids, lengths = graph(tf.constant(list(texts), tf.string))
        return Tokens.of(ids.numpy(), lengths.numpy())

    return run


def _small(values: np.ndarray) -> np.ndarray:
    """Returns whole numbers in as few bytes as hold all of them."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))), copy=False)
