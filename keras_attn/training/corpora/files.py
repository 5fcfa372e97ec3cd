"""Two parallel text files, one sentence a line, and folders of them."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_attn.training.corpora.lines import stream_lines
from keras_attn.training.corpora.links import check_count, check_line
from keras_attn.training.corpora.pairs import CorpusError, SentencePair, Split
from keras_attn.training.progress import shown

__all__ = [
    "find_links",
    "find_parallel",
    "find_tests",
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
        words: Which words the links count, a rule of `word_spans`.
        folder: On whose disk the pairs are kept, as in `Split.of`.

    Returns:
        The pairs in order; pairs with an empty side are skipped and counted.

    Raises:
        CorpusError: A file cannot be read (see `read_lines`), the line counts
            differ, no line has text on both sides, or a line of links is none.
    """
    rows = _rows(source_path, target_path, links_path, words)
    name = f"reading {Path(source_path).name}"
    split = Split.of(shown(rows, name), folder, lambda line: f"{source_path}:{line}")
    if not split:
        raise CorpusError(
            "A corpus needs at least one pair with text on both sides. Received: "
            f"{source_path} and {target_path}, where each of {split.skipped_empty} "
            "lines has an empty side."
        )
    return split


def _rows(source_path, target_path, links_path, words) -> Iterator[SentencePair]:
    """Yields the pair of each line, and refuses files of other lengths at the end."""
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
            check_line(links_path, count, alignment, source, target, words)
        yield SentencePair(source, target, alignment)
    if links_path is not None:
        pairs = count + sum(1 for _ in sources)
        check_count(
            links_path, count - (alignment is None) + sum(1 for _ in links), pairs
        )


def _unequal(*sides) -> CorpusError:
    """Returns the error for (path, lines so far, the rest of them) of each side."""
    counts = [seen + sum(1 for _ in rest) for _, seen, rest in sides]
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

    The files are `STEM.LANGUAGE` or `STEM.LANGUAGE.gz`; the plain one wins.

    Args:
        folder: Where to look.
        stems: Names that the split may have; the first that is there wins.
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
    """Returns a sentence that says what is in a folder, for error messages."""
    names = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"{folder} holds: {shown or 'nothing'}."


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
