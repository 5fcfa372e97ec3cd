"""Pretrained word vectors for the pieces of a vocabulary.

Pure Python and NumPy. The format is the text format of word2vec, GloVe and fastText:
a line for each word, the word first and its numbers after it, separated by spaces.
"""

import gzip
import pathlib
import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["read_word_vectors"]

_WORD_START = "▁"  # SentencePiece's mark of a piece that begins a word
_HEADER = re.compile(r"(\d+) (\d+)")


def read_word_vectors(
    path: str | pathlib.Path, pieces: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Reads the pretrained vectors of a vocabulary's pieces from a file.

    A piece takes the vector of the word that is equal to it. A piece with
    SentencePiece's word-start mark takes else that of the plain word: `▁Hund` that
    of `Hund`. In a vocabulary with such marks, letters without one are the inside of
    a word and not a word; they take a vector only of a file that has marks too.
    Of a word that comes twice, the first vector counts.

    The file is read line by line, so that only these vectors are in memory.

    Args:
        path: A text file; gzip-compressed if it ends in `.gz`. In UTF-8. The first
            line may be `N D`, the number of words and of numbers a word.
        pieces: The vocabulary: piece `i` is the one with id `i`.

    Returns:
        ids: `(N,)` int32, ascending: the pieces that have a vector in the file.
        vectors: `(N, D)` float32. What `ScaledEmbedding.load_vectors` takes.

    Raises:
        TypeError: If `pieces` is one string.
        ValueError: If the file has another format. The message names file and line.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "vectors.txt")
    ...     _ = path.write_text("dog 1 -1", encoding="utf-8")
    ...     ids, vectors = read_word_vectors(path, ["<unk>", "▁dog", "s"])
    >>> ids.tolist(), vectors.tolist()
    ([1], [[1.0, -1.0]])
    """
    if isinstance(pieces, str):
        raise TypeError(
            f"`pieces` must be a sequence of strings. Received: pieces={pieces!r}."
        )
    index_of = {piece: index for index, piece in enumerate(pieces)}
    plain = {
        piece[1:]: index
        for index, piece in enumerate(pieces)
        if piece.startswith(_WORD_START) and len(piece) > 1
    }
    equal: dict[int, np.ndarray] = {}
    unmarked: dict[int, np.ndarray] = {}
    file_has_marks = False
    width = None
    for place, word, numbers in _rows(pathlib.Path(path)):
        width = len(numbers)
        file_has_marks = file_has_marks or word.startswith(_WORD_START)
        if word in index_of or word in plain:
            vector = _vector(place, numbers)
            if word in index_of:
                equal.setdefault(index_of[word], vector)
            if word in plain:
                unmarked.setdefault(plain[word], vector)
    if width is None:
        raise ValueError(f"{path} holds no word vectors: it has no line of numbers.")
    if plain and not file_has_marks:
        equal = {i: row for i, row in equal.items() if not _is_inside(pieces[i])}
    by_id = dict(sorted((unmarked | equal).items()))
    ids = np.array(list(by_id), "int32")
    rows = list(by_id.values())
    return ids, np.array(rows, "float32").reshape(len(rows), width)


def _rows(path: pathlib.Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yields for each word its place, itself and its numbers as they are written."""
    width: int | None = None
    promised: int | None = None
    count = 0
    for line_number, line in enumerate(_lines(path), start=1):
        place = f"{path}, line {line_number}"
        header = _HEADER.fullmatch(line) if line_number == 1 else None
        if header:
            promised, width = int(header[1]), int(header[2])
            continue
        if not line:
            continue
        fields = line.replace("\t", " ").split(" ")
        if width is None:
            width = len(fields) - 1
        # Some files have words with spaces in them.
        word, numbers = " ".join(fields[:-width]), fields[-width:]
        if not 0 < width < len(fields) or _ends_in_a_number(word):
            raise ValueError(
                f"Each line must be a word and {width or 'its'} numbers, with spaces "
                f"between. Received: {len(fields) - 1} numbers in {place}."
            )
        count += 1
        yield place, word, numbers
    if promised is not None and count != promised:
        raise ValueError(
            f"The first line of {path} promises {promised} words. "
            f"Received: {count}. Is the file complete?"
        )


def _lines(path: pathlib.Path) -> Iterator[str]:
    """Yields lines without their ends. Words may hold what else ends a line of text."""
    open_file = gzip.open if path.suffix == ".gz" else open
    count = 0
    try:
        with open_file(path, "rb") as file:
            for line in file:
                count += 1
                yield line.decode("utf-8").rstrip(" \t\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Word vectors must be text in UTF-8. Received: byte {error.start + 1} of "
            f"{path}, line {count} is not: {error.reason}."
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"A `.gz` file must be a complete gzip file. Received: {path}, {error}."
        ) from error


def _ends_in_a_number(word: str) -> bool:
    """Whether a word with spaces is a word and one number too many."""
    _, space, end = word.rpartition(" ")
    if not space:
        return False
    try:
        float(end)
    except ValueError:
        return False
    return True


def _vector(place: str, numbers: list[str]) -> np.ndarray:
    try:
        vector = np.array([float(number) for number in numbers])
    except ValueError as error:
        raise ValueError(
            f"What follows a word must be numbers. Received: {error} in {place}."
        ) from error
    if not (np.abs(vector) <= np.finfo("float32").max).all():
        raise ValueError(
            "Numbers must be finite and fit into float32. "
            f"Received: {' '.join(numbers)!r} in {place}."
        )
    return vector.astype("float32")


def _is_inside(piece: str) -> bool:
    """Whether a piece of a vocabulary with marks is the inside of a word."""
    return not piece.startswith(_WORD_START) and any(map(str.isalnum, piece))
