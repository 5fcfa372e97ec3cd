"""A file as bytes that stay and passages that are translated."""

import abc
import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

__all__ = ["BOM", "Document", "Passage", "decode"]

BOM = b"\xef\xbb\xbf"
_OTHER_CONTENT = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a zip archive",
}
_LINE = re.compile(r"[^\r\n]+")
_LINE_END = re.compile(r"\r\n|\r|\n")
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode(data: bytes) -> str:
    """Decodes UTF-8; bytes that are none become lone surrogates, and back again."""
    return data.decode("utf-8", "surrogateescape")


@dataclasses.dataclass(frozen=True)
class Passage:
    """A part of a file that is translated, line by line.

    Args:
        source: Its bytes in the file.
        content: The text that they stand for; bytes that are not UTF-8 are surrogates.
        line: Number of its first line in the file.
        encode: Returns the bytes of a text at this place of the file.
        wrapped: Whether the lines up to a blank line are one text, joined by blanks.
    """

    source: bytes
    content: str
    line: int
    encode: Callable[[str], bytes]
    wrapped: bool = False

    @functools.cached_property
    def _spans(self) -> list[tuple[int, int]]:
        """Begin and end of each text, without the white space around it."""
        spans: list[tuple[int, int]] = []
        for match in _LINE.finditer(self.content):
            line = match[0]
            begin = match.start() + len(line) - len(line.lstrip())
            end = match.start() + len(line.rstrip())
            if begin >= end:
                continue
            if self.wrapped and spans:
                between = self.content[spans[-1][1] : begin]
                if len(_LINE_END.findall(between)) == 1:
                    spans[-1] = spans[-1][0], end
                    continue
            spans.append((begin, end))
        return spans

    @functools.cached_property
    def texts(self) -> list[str]:
        """The texts to translate; U+FFFD stands for what is not UTF-8."""
        texts = (self.content[begin:end] for begin, end in self._spans)
        if self.wrapped:
            texts = (" ".join(map(str.strip, _LINE.findall(text))) for text in texts)
        return [_SURROGATE.sub("\ufffd", text) for text in texts]

    @property
    def is_damaged(self) -> bool:
        """Whether a text has bytes that are not UTF-8."""
        return bool(self._spans and _SURROGATE.search(self.content))

    def translated(self, translations: Sequence[str]) -> bytes:
        """Returns the bytes of the passage with the translation of each text.

        White space around the texts stays. If all texts are their own translations,
        so do all bytes.
        """
        if list(translations) == self.texts:
            return self.source
        pieces: list[str] = []
        position = 0
        for (begin, end), translation in zip(self._spans, translations, strict=True):
            pieces += self.content[position:begin], translation
            position = end
        return self.encode("".join([*pieces, self.content[position:]]))


class Document(abc.ABC):
    """A file of one format.

    Args:
        path: The file.
        wrapped: As in `Passage`.
    """

    def __init__(self, path: Path, *, wrapped: bool = False):
        self.path = path
        self.wrapped = wrapped

    @abc.abstractmethod
    def parts(self) -> Iterator[bytes | Passage]:
        """Reads the file.

        Yields:
            The bytes of the file that stay, and its passages, in order.

        Raises:
            ValueError: If the file is not of the format; names the line.
        """

    def lines(self) -> Iterator[tuple[int, bytes]]:
        r"""Yields the number and the bytes of each line, which ends behind a `\n`.

        A byte order mark is a line 0 of its own.

        Raises:
            ValueError: If the file begins like one that is not UTF-8.
        """
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    for beginning, content in _OTHER_CONTENT.items():
                        if line.startswith(beginning):
                            raise ValueError(
                                "A file to translate is UTF-8 text. Received: "
                                f"{self.path}, which looks like {content}. Convert or "
                                "unpack it."
                            )
                    if line.startswith(BOM):
                        yield 0, BOM
                        line = line.removeprefix(BOM)
                yield number, line
