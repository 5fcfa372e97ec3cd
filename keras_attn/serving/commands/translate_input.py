"""The texts of `keras-attn translate`: arguments, or lines of standard input."""

import contextlib
import itertools
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence

from keras_attn.command_line import progress, warn

__all__ = ["chunks", "input_texts"]

_LINES_PER_CHUNK = 512


@contextlib.contextmanager
def input_texts(texts: Sequence[str] | None) -> Iterator[Iterable[str]]:
    """Yields the texts, with a progress bar if a file is read and stdout is no tty."""
    if texts:
        # Python reads bytes of the command line that are not UTF-8 as lone surrogates.
        encoded = (text.encode("utf-8", "surrogateescape") for text in texts)
        yield [_decode(text, f"text {n}") for n, text in enumerate(encoded, 1)]
        return
    size = _file_size(sys.stdin)
    if size is None or sys.stdout.isatty():
        yield _lines(sys.stdin.buffer)
        return
    with progress("translating", size) as advance:
        yield _lines(sys.stdin.buffer, advance)


def _file_size(stream):
    """Returns the bytes of a regular file; `None` for others, such as a pipe."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _lines(stream, advance=None) -> Iterator[str]:
    """Yields the lines of a byte stream, with a warning where one is not UTF-8.

    A line's bytes count as progress when the next line is read.
    """
    for number, line in enumerate(stream, 1):
        size = len(line)
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        yield _decode(line, f"line {number}")
        if advance is not None:
            advance(size)


def _decode(text: bytes, name: str) -> str:
    """Returns text, with a warning if it is not UTF-8."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        warn(f"{name} is not UTF-8 ({error.reason}); read with U+FFFD.")
        return text.decode("utf-8", "replace")


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yields lists of texts; of one text each where a person types them."""
    size = 1 if sys.stdin.isatty() else _LINES_PER_CHUNK
    texts = iter(texts)
    while chunk := list(itertools.islice(texts, size)):
        yield chunk
