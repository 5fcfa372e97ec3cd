"""Sentence pairs on disk, a sequence like any other."""

import marshal
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

from keras_attn.training.corpora.sentence_pair import SentencePair
from keras_attn.training.corpora.stored_file import StoredFile

__all__ = ["PairWriter", "StoredPairs", "store_pairs"]

_AT_ONCE = 512  # pairs of a block; a block is read and written as a whole


class StoredPairs(Sequence[SentencePair]):
    """Pairs in a file that has no name; what is in memory is where its blocks begin.

    Made by a `PairWriter`. It may be read from several threads.
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
        for number in range(-(-self._count // _AT_ONCE)):
            yield from self._block(number)[: self._count - number * _AT_ONCE]

    @overload
    def __getitem__(self, index: int) -> SentencePair: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[SentencePair, ...]: ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(self._count)))
        place = range(self._count)[index]
        number, place = divmod(place, _AT_ONCE)
        last = self._last
        if last[0] != number:
            # Neighbours are often asked for one after the other.
            self._last = last = number, self._block(number)
        return last[1][place]

    def _block(self, number):
        begin, end = self._begins[number : number + 2]
        rows = marshal.loads(self._file.read(begin, end - begin))
        return [SentencePair(*row) for row in rows]


class PairWriter:
    """Writes pairs to disk as they come.

    Args:
        folder: On whose disk the file without a name lies; `None`: where the system
            has its temporary files.
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
        if len(self._rows) == _AT_ONCE:
            self._write()

    def stored(self) -> StoredPairs:
        """Returns all pairs, when the last one is there."""
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
    """Writes pairs to disk as they come, and returns them from there.

    Args:
        pairs: Read once; never more than a block of them is in memory.
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
