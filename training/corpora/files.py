"""Two parallel text files, one sentence a line, and folders of them."""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

from training.corpora.links import check_links
from training.corpora.pairs import CorpusError, SentencePair, Split

__all__ = [
    "find_links",
    "find_parallel",
    "find_tests",
    "read_lines",
    "read_parallel",
]

_BOM = b"\xef\xbb\xbf"
_GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: str | Path) -> list[str]:
    r"""Reads a UTF-8 text file, plain or gzip, into its lines.

    A line ends at `\n` or `\r\n` and nowhere else. `str.splitlines` would also
    split at U+2028, U+0085 and others, which occur inside sentences, and shift
    every later line against its translation.

    Args:
        path: The file; gzip is recognised by content, not by name.

    Returns:
        The lines without their ends, and without a leading byte order mark.

    Raises:
        CorpusError: The file cannot be read, is empty, is broken gzip, or is not
            UTF-8; names the file, and for bad UTF-8 the line and byte.
    """
    path = Path(path)
    data = _read_bytes(path).removeprefix(_BOM)
    if not data:
        raise CorpusError(
            f"A corpus file must hold at least one sentence. Received: {path}, "
            "which is empty."
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad_utf8(path, data, error.start) from error
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()  # what follows the last line end is not a line
    return [line.removesuffix("\r") for line in lines]


def read_parallel(
    source_path: str | Path,
    target_path: str | Path,
    links_path: str | Path | None = None,
    words: str = "marks",
) -> Split:
    """Reads two files of which line n of one translates line n of the other.

    Args:
        source_path: Sentences to translate, one a line, plain or gzip.
        target_path: Their translations, one a line, plain or gzip.
        links_path: Their word alignments in the Pharaoh format, one line a pair, plain
            or gzip; `None`: no pair has one.
        words: Which words the links count, a rule of `word_spans`.

    Returns:
        The pairs in order; pairs with an empty side are skipped and counted.

    Raises:
        CorpusError: A file cannot be read (see `read_lines`), the line counts
            differ, no line has text on both sides, or a line of links is none.
    """
    sources, targets = read_lines(source_path), read_lines(target_path)
    if len(sources) != len(targets):
        longer = source_path if len(sources) > len(targets) else target_path
        first = min(len(sources), len(targets)) + 1
        raise CorpusError(
            "Line n of one parallel file translates line n of the other, so both "
            f"need the same number of lines. Received: {source_path} with "
            f"{len(sources)} lines, {target_path} with {len(targets)}; "
            f"{longer}:{first} is the first line without a partner. A sentence may "
            "be missing further up: compare the files near there."
        )
    links: Sequence[str | None] = [None] * len(sources)
    if links_path is not None:
        lines = read_lines(links_path)
        check_links(links_path, lines, sources, targets, words)
        links = lines
    split = Split.of(map(SentencePair, sources, targets, links))
    if not split:
        raise CorpusError(
            "A corpus needs at least one pair with text on both sides. Received: "
            f"{source_path} and {target_path}, where each of {len(sources)} lines "
            "has an empty side."
        )
    return split


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


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"A corpus file must be readable. Received: {path} ({error.strerror})."
        ) from error
    # No UTF-8 text begins with these bytes, so the name need not be trusted.
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(
            f"A gzip file must be complete and undamaged. Received: {path} ({error})."
        ) from error


def _bad_utf8(path: Path, data: bytes, position: int) -> CorpusError:
    line = data.count(b"\n", 0, position) + 1
    column = position - (data.rfind(b"\n", 0, position) + 1) + 1
    remedy = "Convert the file to UTF-8."
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        remedy = "The file looks like UTF-16: convert it to UTF-8."
    return CorpusError(
        f"A corpus file must be UTF-8. Received: {path}:{line}, byte {column} of the "
        f"line is 0x{data[position]:02x}. {remedy}"
    )
