"""Tables of sentence pairs, as Tatoeba and Anki distribute them."""

from collections.abc import Iterator
from pathlib import Path

from keras_attn.command_line import track_progress
from keras_attn.training.corpora.corpus import Split
from keras_attn.training.corpora.lines import stream_lines
from keras_attn.training.corpora.pairs import CorpusError, SentencePair

__all__ = ["read_tsv", "read_tsv_rows"]


def read_tsv(
    path: str | Path,
    *,
    source_column: int = 1,
    target_column: int = 2,
    folder: str | Path | None = None,
) -> Split:
    """Reads sentence pairs from two columns of a tab-separated file.

    Columns beyond the two (attribution, sentence numbers) are ignored. Quotation
    marks have no meaning: these files do not quote, and sentences begin with one.

    Args:
        path: The file, UTF-8, plain or gzip.
        source_column: Column of the sentences to translate, the first being 1.
        target_column: Column of their translations.
        folder: Folder on whose disk the pairs are stored, as in `Split.of`.

    Returns:
        The pairs in order; pairs with an empty side, blank lines among them, are
        skipped and counted.

    Raises:
        CorpusError: The file cannot be read (see `read_lines`), a line has too few
            columns (named as `file:line`), or no line has text in both columns.
        ValueError: The column numbers are below 1 or equal.
    """
    pairs = _rows(Path(path), source_column, target_column)
    name = f"reading {Path(path).name}"
    split = Split.of(track_progress(pairs, name), folder, lambda line: f"{path}:{line}")
    if not split:
        raise CorpusError(
            "A corpus needs at least one pair with text on both sides. Received: "
            f"{path}, where columns {source_column} and {target_column} of each of "
            f"{split.skipped_empty} lines have an empty side."
        )
    return split


def read_tsv_rows(
    path: str | Path, *, source_column: int = 1, target_column: int = 2
) -> list[SentencePair]:
    """Reads a table as `read_tsv` does, with all lines: pair n is that of line n.

    Raises:
        CorpusError: The file cannot be read, or a line has too few columns.
        ValueError: The column numbers are below 1 or equal.
    """
    return list(_rows(Path(path), source_column, target_column))


def _rows(path: Path, source_column: int, target_column: int) -> Iterator[SentencePair]:
    if min(source_column, target_column) < 1 or source_column == target_column:
        raise ValueError(
            "Columns are two different numbers, the first column being 1. Received: "
            f"source_column={source_column}, target_column={target_column}."
        )
    needed = max(source_column, target_column)
    for number, line in enumerate(stream_lines(path), start=1):
        cells = line.split("\t") if line.strip() else [""] * needed
        if len(cells) < needed:
            raise CorpusError(
                f"Each line needs at least {needed} columns separated by tabs, to "
                f"have a source in column {source_column} and a target in column "
                f"{target_column}. Received: {path}:{number} with {len(cells)} "
                f"({_shorten(line)!r})."
            )
        yield SentencePair(cells[source_column - 1], cells[target_column - 1])


def _shorten(line: str, width: int = 60) -> str:
    return line if len(line) <= width else line[: width - 3] + "..."
