"""Parallel text files, one sentence a line, and the alignments beside them."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_attn.command_line import track_progress
from keras_attn.metrics import parse_pharaoh
from keras_attn.text.words import word_spans
from keras_attn.training.corpora.corpus import Split
from keras_attn.training.corpora.lines import stream_lines
from keras_attn.training.corpora.pairs import CorpusError, SentencePair

__all__ = [
    "check_links",
    "find_links",
    "find_parallel",
    "find_tests",
    "list_folder",
    "read_parallel",
]


def read_parallel(
    source_path: str | Path,
    target_path: str | Path,
    links_path: str | Path | None = None,
    words: str = "marks",
    folder: str | Path | None = None,
) -> Split:
    """Reads two files of which line n of one translates line n of the other.

    Args:
        source_path: Sentences to translate, one a line, plain or gzip.
        target_path: Their translations, one a line, plain or gzip.
        links_path: Their word alignments in the Pharaoh format, one line a pair, plain
            or gzip; `None`: no pair has one.
        words: Rule by which the links count words, see `word_spans`.
        folder: Folder on whose disk the pairs are stored, as in `Split.of`.

    Returns:
        The pairs in order; pairs with an empty side are skipped and counted.

    Raises:
        CorpusError: A file cannot be read (see `read_lines`), the line counts
            differ, no line has text on both sides, or a line of links is invalid.
    """
    rows = _rows(source_path, target_path, links_path, words)
    name = f"reading {Path(source_path).name}"
    split = Split.of(
        track_progress(rows, name), folder, lambda line: f"{source_path}:{line}"
    )
    if not split:
        raise CorpusError(
            "A corpus needs at least one pair with text on both sides. Received: "
            f"{source_path} and {target_path}, where each of {split.skipped_empty} "
            "lines has an empty side."
        )
    return split


def _rows(source_path, target_path, links_path, words) -> Iterator[SentencePair]:
    """Yields the pair of each line; raises at the end if line counts differ."""
    sources, targets = stream_lines(source_path), stream_lines(target_path)
    links = iter(()) if links_path is None else stream_lines(links_path)
    count, alignment = 0, None
    for source, target in itertools.zip_longest(sources, targets):
        if source is None or target is None:
            raise _unequal(
                (source_path, count + (source is not None), sources),
                (target_path, count + (target is not None), targets),
            )
        count += 1
        if links_path is not None:
            alignment = next(links, None)
            if alignment is None:
                break
            _check_line(links_path, count, alignment, source, target, words)
        yield SentencePair(source, target, alignment)
    if links_path is not None:
        pairs = count + sum(1 for _ in sources)
        lines = count - (alignment is None) + sum(1 for _ in links)
        _check_count(links_path, lines, pairs)


def _unequal(*sides) -> CorpusError:
    """Returns the error for (path, lines read, remaining lines) of each side."""
    counts = [read + sum(1 for _ in remaining) for _, read, remaining in sides]
    (source_path, *_), (target_path, *_) = sides
    longer = source_path if counts[0] > counts[1] else target_path
    return CorpusError(
        "Line n of one parallel file translates line n of the other, so both "
        f"need the same number of lines. Received: {source_path} with "
        f"{counts[0]} lines, {target_path} with {counts[1]}; "
        f"{longer}:{min(counts) + 1} is the first line without a partner. A sentence "
        "may be missing further up: compare the files near there."
    )


def find_parallel(
    folder: str | Path, stems: Sequence[str], source_language: str, target_language: str
) -> tuple[Path, Path] | None:
    """Finds the two files of a split in a folder.

    The files are `STEM.LANGUAGE` or else `STEM.LANGUAGE.gz`.

    Args:
        folder: The folder.
        stems: Names that the split may have; the first one that exists is taken.
        source_language: Ending of the source file, such as `de`.
        target_language: Ending of the target file.

    Returns:
        Source and target path, or `None` if no stem has either file.

    Raises:
        CorpusError: The folder does not exist, or a stem has one language only.
    """
    folder = _existing_folder(folder)
    for stem in stems:
        source = _plain_or_gzip(folder, f"{stem}.{source_language}")
        target = _plain_or_gzip(folder, f"{stem}.{target_language}")
        if source and target:
            return source, target
        if source or target:
            missing = target_language if source else source_language
            raise CorpusError(
                f"A split is two files, one a language. Received: {source or target} "
                f"without {folder / stem}.{missing} (or .gz). {list_folder(folder)}"
            )
    return None


def find_links(
    source_path: Path, source_language: str, target_language: str
) -> Path | None:
    """Finds the word alignments of a split, beside its source file.

    The file is `STEM.SOURCE-TARGET.align` or `STEM.SOURCE-TARGET.align.gz`.
    """
    stem = source_path.name.removesuffix(".gz").removesuffix(f".{source_language}")
    name = f"{stem}.{source_language}-{target_language}.align"
    return _plain_or_gzip(source_path.parent, name)


def find_tests(
    folder: str | Path, source_language: str, target_language: str
) -> list[str]:
    """Returns the stems beginning with `test` that exist in either language."""
    endings = [
        f".{language}{suffix}"
        for language in (source_language, target_language)
        for suffix in ("", ".gz")
    ]
    return sorted(
        {
            path.name.removesuffix(ending)
            for path in _existing_folder(folder).glob("test*")
            for ending in endings
            if path.name.endswith(ending)
        }
    )


def list_folder(folder: Path) -> str:
    """Returns a sentence that lists a folder, for error messages."""
    names = sorted(path.name for path in folder.iterdir())
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{folder} holds: {listed or 'nothing'}."


def _existing_folder(folder: str | Path) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        raise CorpusError(
            f"The corpus folder must exist. Received: {folder}, which is "
            f"{'a file' if folder.exists() else 'not there'}."
        )
    return folder


def _plain_or_gzip(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def check_links(
    path: str | Path,
    lines: Sequence[str],
    sources: Sequence[str],
    targets: Sequence[str],
    words: str = "marks",
) -> None:
    """Refuses alignments that cannot be those of two parallel files.

    Args:
        path: Path of the alignments, for messages.
        lines: Its lines, in the Pharaoh format.
        sources: The source sentences.
        targets: Their translations.
        words: Rule by which the links count words, see `word_spans`.

    Raises:
        CorpusError: If there is not one line for each pair, a line is no list of
            links, or a link is to a word that the pair lacks; names file and line.
    """
    _check_count(path, len(lines), len(sources))
    rows = zip(lines, sources, targets, strict=True)
    for number, (line, source, target) in enumerate(rows, start=1):
        _check_line(path, number, line, source, target, words)


def _check_count(path, lines, pairs):
    if lines != pairs:
        raise CorpusError(
            "Line n of an alignment file links line n of the parallel files. "
            f"Received: {path} with {lines} lines for {pairs} pairs. The "
            "file may be cut short, or of another corpus."
        )


def _check_line(path, number, line, source, target, words):
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
