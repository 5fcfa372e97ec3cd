"""Token ids of sentences: some in memory, the pairs of a corpus on disk."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from keras_attn.command_line import track_progress
from keras_attn.training.corpora.pairs import SentencePair
from keras_attn.training.corpora.stored_file import StoredFile

__all__ = ["CHUNK", "TokenPairs", "Tokens", "chunks", "tokenize_pairs"]

CHUNK = 65_536  # sentences in memory: words repeat within as many

_ID_BYTES = 4
_TOKENIZER_CHUNK = 2_048  # sentences: enough to keep the tokenizer's threads busy

_Item = TypeVar("_Item")


@dataclasses.dataclass(frozen=True, eq=False)
class Tokens:
    """Token ids of many sentences in one array, without start and end tokens.

    Attributes:
        ids: `(total,)` int32.
        begins: `(N,)` int64, index of the first id of each sentence.
        lengths: `(N,)` int64.
    """

    ids: np.ndarray
    begins: np.ndarray
    lengths: np.ndarray

    @classmethod
    def contiguous(cls, ids: np.ndarray, lengths: np.ndarray) -> "Tokens":
        """Returns sentences that lie in `ids` one after the other, without gaps."""
        lengths = lengths.astype("int64")
        return cls(ids, np.cumsum(lengths) - lengths, lengths)

    def replace_where(self, condition: np.ndarray, other: "Tokens") -> "Tokens":
        """Returns the sentences, those of `other` where `condition` `(N,)` is True."""
        if not condition.any():
            return self
        return Tokens(
            np.concatenate([self.ids, other.ids]),
            np.where(condition, other.begins + len(self.ids), self.begins),
            np.where(condition, other.lengths, self.lengths),
        )

    def fill(self, rows: np.ndarray) -> None:
        """Writes the sentences to the left of `rows` `(N, T)`."""
        row, column = np.nonzero(np.arange(rows.shape[1]) < self.lengths[:, np.newaxis])
        rows[row, column] = self.ids[self.begins[row] + column]

    def interleave(self, other: "Tokens") -> np.ndarray:
        """Returns the ids of sentence 0, `other`'s sentence 0, sentence 1 and so on."""
        lengths = np.stack([self.lengths, other.lengths], axis=1).ravel()
        begins = np.stack([self.begins, other.begins + len(self.ids)], axis=1).ravel()
        return _gather(np.concatenate([self.ids, other.ids]), begins, lengths)

    def join(self, counts: np.ndarray) -> "Tokens":
        """Returns consecutive sentences as one, `counts` `(L,)` of them, at least 1."""
        first = np.cumsum(counts) - counts
        return Tokens.contiguous(
            _gather(self.ids, self.begins, self.lengths),
            np.add.reduceat(self.lengths, first),
        )


def _gather(ids, begins, lengths):
    """Returns the ids of sentences that lie anywhere in `ids`, one after the other."""
    ends = np.cumsum(lengths)
    within = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
    return ids[np.repeat(begins, lengths) + within].astype("int32")


@dataclasses.dataclass(frozen=True, eq=False)
class TokenPairs:
    """Token ids of sentence pairs: lengths in memory, ids in a file.

    Attributes:
        file: int32 ids of each pair, those of the target after those of the source.
        begins: `(N,)` unsigned, index of the first id of each pair in the file.
        source_lengths: `(N,)` unsigned.
        target_lengths: `(N,)` unsigned.
        offset: Number of bytes before the first id.
    """

    file: StoredFile
    begins: np.ndarray
    source_lengths: np.ndarray
    target_lengths: np.ndarray
    offset: int = 0

    @classmethod
    def contiguous(
        cls, file: StoredFile, lengths: np.ndarray, offset: int = 0
    ) -> "TokenPairs":
        """Returns pairs that lie in a file one after the other.

        Args:
            file: The file of ids.
            lengths: `(N, 2)`, of sources and targets.
            offset: Number of bytes before the first id.
        """
        ends = np.cumsum(lengths.sum(axis=1, dtype="int64"))
        begins = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
        source, target = lengths.T
        return cls(
            file,
            _smallest_dtype(begins),
            _smallest_dtype(source),
            _smallest_dtype(target),
            offset,
        )

    @classmethod
    def write(
        cls, chunks: Iterable[tuple[Tokens, Tokens]], file: StoredFile
    ) -> "TokenPairs":
        """Writes chunks of sources and targets to an empty file."""
        lengths = [np.zeros((0, 2), "int32")]
        for source, target in chunks:
            file.append(source.interleave(target).tobytes())
            lengths.append(
                np.stack([source.lengths, target.lengths], axis=1).astype("int32")
            )
        return cls.contiguous(file, np.concatenate(lengths))

    def __len__(self) -> int:
        return len(self.begins)

    def select(self, rows: np.ndarray) -> "TokenPairs":
        """Returns some of the pairs, `rows` in increasing order."""
        if len(rows) == len(self):
            return self
        return dataclasses.replace(
            self,
            begins=self.begins[rows],
            source_lengths=_smallest_dtype(self.source_lengths[rows]),
            target_lengths=_smallest_dtype(self.target_lengths[rows]),
        )

    def read(self, indices: np.ndarray) -> tuple[Tokens, Tokens]:
        """Reads the sources and the targets of some pairs.

        Args:
            indices: `(B,)` indices of the pairs, at least one.
        """
        begins, source, target = (
            array[indices].astype("int64")
            for array in (self.begins, self.source_lengths, self.target_lengths)
        )
        lengths = source + target
        offsets = (self.offset + _ID_BYTES * begins).tolist()
        if (np.diff(begins) == lengths[:-1]).all():  # contiguous: one read
            data = self.file.read(offsets[0], _ID_BYTES * int(lengths.sum()))
        else:
            sizes = (_ID_BYTES * lengths).tolist()
            data = b"".join(map(self.file.read, offsets, sizes))
        ids = np.frombuffer(data, "<i4")
        first = np.cumsum(lengths) - lengths
        return Tokens(ids, first, source), Tokens(ids, first + source, target)

    def length_chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the lengths of sources and targets, `CHUNK` pairs at a time."""
        for first in range(0, len(self), CHUNK):
            chunk = slice(first, first + CHUNK)
            yield self.source_lengths[chunk], self.target_lengths[chunk]

    def __iter__(self) -> Iterator[tuple[Tokens, Tokens]]:
        """Yields sources and targets in order, `CHUNK` pairs at a time."""
        for first in range(0, len(self), CHUNK):
            yield self.read(np.arange(first, min(first + CHUNK, len(self))))

    def fingerprint(self) -> str:
        """Returns a digest of all ids and lengths."""
        digest = hashlib.sha256()
        for source, target in self:
            digest.update(np.stack([source.lengths, target.lengths]).tobytes())
            digest.update(source.interleave(target).tobytes())
        return digest.hexdigest()


def tokenize_pairs(
    pairs: Sequence[SentencePair], source_codec: Any, target_codec: Any
) -> Iterator[tuple[Tokens, Tokens]]:
    """Yields the tokens of sources and targets, 2,048 pairs at a time.

    Args:
        pairs: The sentence pairs.
        source_codec: Has `tokenize(texts) -> RaggedTensor` of int32 ids, such as
            `SubwordCodec`.
        target_codec: The same.
    """
    source, target = (
        _compiled_tokenizer(source_codec),
        _compiled_tokenizer(target_codec),
    )
    for chunk in track_progress(
        chunks(pairs, _TOKENIZER_CHUNK), "tokenizing", len(pairs), _TOKENIZER_CHUNK
    ):
        yield (
            source([pair.source for pair in chunk]),
            target([pair.target for pair in chunk]),
        )


def _compiled_tokenizer(codec: Any) -> Callable[[Sequence[str]], Tokens]:
    """Returns the codec as a function from many sentences to their tokens."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def graph(texts):
        ragged = codec.tokenize(texts)
        return ragged.flat_values, ragged.row_lengths()

    # A function for each codec and split is no retracing, which TensorFlow warns of.
    concrete = graph.get_concrete_function()

    def tokenize(texts: Sequence[str]) -> Tokens:
        ids, lengths = concrete(tf.constant(list(texts), tf.string))
        return Tokens.contiguous(ids.numpy(), lengths.numpy())

    return tokenize


def chunks(items: Iterable[_Item], size: int = CHUNK) -> Iterator[list[_Item]]:
    """Yields lists of `size` items; the last one may have fewer.

    Example:
    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    chunk: list[_Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _smallest_dtype(values: np.ndarray) -> np.ndarray:
    """Returns non-negative integers in the smallest unsigned dtype that holds them."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))), copy=False)
