"""Sentence pairs: one, and many of them on disk."""

import dataclasses
import marshal
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

from keras_attn.training.corpora.stored_file import StoredFile

__all__ = ["CorpusError", "PairWriter", "SentencePair", "StoredPairs", "store_pairs"]

_BLOCK = 512  # pairs that are read and written together
_LINK = re.compile(r"(\d+)([-p])(\d+)")


class CorpusError(ValueError):
    """A corpus cannot be read as requested; the message names the file and line."""


@dataclasses.dataclass(frozen=True, slots=True)
class SentencePair:
    """A sentence and its translation.

    Attributes:
        source: The sentence to translate.
        target: Its translation.
        alignment: Gold word alignment, if known: links `i-j` (sure) or `ipj`
            (possible), zero-based, source-target, separated by spaces.

    Example:
    >>> SentencePair("Guten Tag", "Hello", "0-0 1p0").swapped()
    SentencePair(source='Hello', target='Guten Tag', alignment='0-0 0p1')
    """

    source: str
    target: str
    alignment: str | None = None

    def swapped(self) -> "SentencePair":
        """Returns the pair for the other direction, with its alignment."""
        alignment = self.alignment
        if alignment is not None:
            alignment = _LINK.sub(r"\3\2\1", alignment)
        return SentencePair(self.target, self.source, alignment)


class StoredPairs(Sequence[SentencePair]):
    """Pairs in an unnamed file; only the offsets of its blocks are in memory.

    Returned by a `PairWriter`. Several threads may read it.
    """

    def __init__(self, file: StoredFile, begins: array, count: int):
        self._file, self._begins, self._count = file, begins, count
        self._last: tuple[int, list[SentencePair]] = (-1, [])

    def first(self, count: int | None) -> "StoredPairs":
        """Returns the first `count` pairs, or all of them for `None`."""
        if count is None or count >= self._count:
            return self
        return StoredPairs(self._file, self._begins, count)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[SentencePair]:
        for number in range(-(-self._count // _BLOCK)):
            yield from self._block(number)[: self._count - number * _BLOCK]

    @overload
    def __getitem__(self, index: int) -> SentencePair: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[SentencePair, ...]: ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            return tuple(self[row] for row in range(*index.indices(self._count)))
        row = range(self._count)[index]
        number, offset = divmod(row, _BLOCK)
        last = self._last
        if last[0] != number:
            # Neighbours are often read one after the other.
            self._last = last = number, self._block(number)
        return last[1][offset]

    def _block(self, number):
        begin, end = self._begins[number : number + 2]
        rows = marshal.loads(self._file.read(begin, end - begin))
        return [SentencePair(*row) for row in rows]


class PairWriter:
    """Writes pairs to disk one after the other.

    Args:
        folder: Folder on whose disk the unnamed file lies; `None`: the system's folder
            for temporary files.
    """

    def __init__(self, folder: str | Path | None = None):
        self._file = StoredFile.unnamed(folder)
        self._begins, self._count = array("q", [0]), 0
        self._rows: list[tuple[str, str, str | None]] = []

    def append(self, pair: SentencePair) -> None:
        """Adds a pair.

        Raises:
            OSError: The disk is full.
        """
        self._rows.append((pair.source, pair.target, pair.alignment))
        self._count += 1
        if len(self._rows) == _BLOCK:
            self._write()

    def stored(self) -> StoredPairs:
        """Returns all pairs, after the last one was appended."""
        if self._rows:
            self._write()
        return StoredPairs(self._file, self._begins, self._count)

    def _write(self):
        data = marshal.dumps(self._rows)
        self._file.append(data)
        self._begins.append(self._begins[-1] + len(data))
        self._rows.clear()


def store_pairs(
    pairs: Iterable[SentencePair], folder: str | Path | None = None
) -> StoredPairs:
    """Writes pairs to disk one after the other, and returns them from there.

    Args:
        pairs: The pairs, read once; at most a block of them is in memory.
        folder: As in `PairWriter`.

    Raises:
        OSError: The disk is full.

    Example:
    >>> stored = store_pairs(SentencePair(str(n), "x") for n in range(1000))
    >>> len(stored), stored[-1].source, len(stored.first(10))
    (1000, '999', 10)
    """
    writer = PairWriter(folder)
    for pair in pairs:
        writer.append(pair)
    return writer.stored()
