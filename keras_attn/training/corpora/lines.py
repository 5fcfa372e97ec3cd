"""Lines of UTF-8 text files, plain or gzip."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_attn.training.corpora.pairs import CorpusError

__all__ = ["read_lines", "stream_lines"]

_BOM = b"\xef\xbb\xbf"
_GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: str | Path) -> list[str]:
    """Reads all lines of a file, as `stream_lines` does.

    Raises:
        CorpusError: As `stream_lines`.
    """
    return list(stream_lines(path))


def stream_lines(path: str | Path) -> Iterator[str]:
    r"""Reads a UTF-8 text file, plain or gzip, line by line.

    A line ends at `\n` or `\r\n` only. `str.splitlines` would also split at U+2028,
    U+0085 and others, which occur inside sentences, and misalign all later lines with
    their translations.

    Args:
        path: The file; gzip is recognised by content, not by name.

    Yields:
        The lines without their ends, and without a leading byte order mark.

    Raises:
        CorpusError: The file cannot be read, is empty, is broken gzip, or is not
            UTF-8; names the file, and for bad UTF-8 the line and byte.
    """
    path = Path(path)
    with _open(path) as file:
        number = 0
        for number, line in enumerate(_raw_lines(path, file), start=1):
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _bad_utf8(path, number, line, error.start) from error
        if not number:
            raise CorpusError(
                f"A corpus file must hold at least one sentence. Received: {path}, "
                "which is empty."
            )


def _raw_lines(path: Path, file: Any) -> Iterator[bytes]:
    try:
        first = file.readline().removeprefix(_BOM)
        if first:
            yield _without_end(first)
            yield from map(_without_end, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CorpusError(
            f"A gzip file must be complete and undamaged. Received: {path} ({error})."
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _open(path: Path) -> Any:
    try:
        with open(path, "rb") as file:
            magic = file.read(len(_GZIP_MAGIC))
        # No UTF-8 text begins with these bytes, so the name does not matter.
        return gzip.open(path) if magic == _GZIP_MAGIC else open(path, "rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> CorpusError:
    return CorpusError(
        f"A corpus file must be readable. Received: {path} ({error.strerror})."
    )


def _bad_utf8(path: Path, number: int, line: bytes, index: int) -> CorpusError:
    remedy = "Convert the file to UTF-8."
    if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
        remedy = "The file looks like UTF-16: convert it to UTF-8."
    return CorpusError(
        f"A corpus file must be UTF-8. Received: {path}:{number}, byte {index + 1} of "
        f"the line is 0x{line[index]:02x}. {remedy}"
    )
