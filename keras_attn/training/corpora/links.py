"""Word alignments in a file beside two parallel files."""

import os
from collections.abc import Sequence

from keras_attn.metrics import parse_pharaoh
from keras_attn.text.words import word_spans
from keras_attn.training.corpora.pairs import CorpusError

__all__ = ["check_count", "check_line", "check_links"]

_Path = str | os.PathLike


def check_links(
    path: _Path,
    lines: Sequence[str],
    sources: Sequence[str],
    targets: Sequence[str],
    words: str = "marks",
) -> None:
    """Refuses alignments that cannot be those of two parallel files.

    Args:
        path: Of the alignments, for messages.
        lines: Its lines, in the Pharaoh format.
        sources: The sentences that line n of it is about, on line n.
        targets: Their translations.
        words: Which words the links count, a rule of `word_spans`.

    Raises:
        CorpusError: If there is not one line for each pair, a line is no list of
            links, or a link is to a word that is not there; names file and line.
    """
    check_count(path, len(lines), len(sources))
    rows = zip(lines, sources, targets, strict=True)
    for number, (line, source, target) in enumerate(rows, start=1):
        check_line(path, number, line, source, target, words)


def check_count(path: _Path, lines: int, pairs: int) -> None:
    """Refuses a number of lines that is not that of the pairs, as `check_links`."""
    if lines != pairs:
        raise CorpusError(
            "Line n of an alignment file links line n of the parallel files. "
            f"Received: {path} with {lines} lines for {pairs} pairs. The "
            "file may be cut short, or of another corpus."
        )


def check_line(
    path: _Path, number: int, line: str, source: str, target: str, words: str
) -> None:
    """Refuses one line of alignments, as `check_links` does."""
    try:
        links = parse_pharaoh(line).possible
    except ValueError as error:
        raise CorpusError(f"{path}:{number}: {error}") from error
    if not links:
        return
    source_count, target_count = (
        len(word_spans(text, words)) for text in (source, target)
    )
    for i, j in sorted(links):
        if i >= source_count or j >= target_count:
            raise CorpusError(
                f"{path}:{number}: A link is between a source and a target word, "
                f"counted from 0. Received: {i}-{j} for a pair of {source_count} "
                f"and {target_count} words (rule {words!r}). Is it of another "
                "tokenisation, or of the other direction?"
            )
