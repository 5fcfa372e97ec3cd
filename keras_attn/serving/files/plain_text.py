"""Paragraphs of plain text."""

from collections.abc import Iterator

from keras_attn.serving.files.document import Document, Passage, decode

__all__ = ["PlainText"]


class PlainText(Document):
    """Plain text, in which each line is a paragraph, or the lines up to a blank one.

    Args:
        path: The file.
        wrapped: Whether paragraphs are broken into lines and end at a blank line.
    """

    def parts(self) -> Iterator[bytes | Passage]:
        """Yields blank lines as bytes, and a passage for each paragraph."""
        first = 0
        paragraph: list[bytes] = []
        for number, line in self.lines():
            is_blank = number == 0 or not decode(line).strip()
            if paragraph and (is_blank or not self.wrapped):
                yield self._passage(first, paragraph)
                paragraph = []
            if is_blank:
                yield line
                continue
            if not paragraph:
                first = number
            paragraph.append(line)
        if paragraph:
            yield self._passage(first, paragraph)

    def _passage(self, first, lines):
        source = b"".join(lines)
        return Passage(source, decode(source), first, str.encode, self.wrapped)
