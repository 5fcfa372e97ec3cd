"""Named columns of tab-separated values."""

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from keras_attn.command_line import log
from keras_attn.serving.files.document import Document, Passage, decode
from keras_attn.spelling import did_you_mean

__all__ = ["Tsv"]

_QUOTED = re.compile(rb'"[^"]*(?:""[^"]*)*"')
_FIELD = re.compile(rb"(?:%s(?=\t|\Z))|[^\t]*" % _QUOTED.pattern)
_BREAKS = re.compile(r"[\t\r\n]+")
_NEEDS_QUOTES = re.compile(r'["\t\r\n]')


class Tsv(Document):
    r"""Tab-separated values with a row of column names at the top.

    Spreadsheets and `csv` put a field in quotes if it has a quote, a tab or a line end
    in it; its own quotes are then doubled. A file is read like this if all of its
    quotes are so. Else quotes belong to the texts, and each line is a row.

    Args:
        path: The file.
        columns: Names of the columns to translate.
        wrapped: As in `Document`.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, wrapped: bool = False):
        super().__init__(path, wrapped=wrapped)
        self.columns = columns

    def parts(self) -> Iterator[bytes | Passage]:
        """Yields a passage for each field of the columns, and all else as bytes.

        Raises:
            ValueError: If there is no such column, or a row has more or fewer fields
                than the header.
        """
        indices = None
        for number, fields, end in self._rows(self._has_quoting):
            if number and indices is None:
                indices = self._indices(fields)
                yield b"\t".join(fields) + end
                continue
            for index, field in enumerate(fields):
                if index:
                    yield b"\t"
                if indices is not None and index in indices:
                    yield self._passage(number, field)
                else:
                    yield field
            yield end
        if indices is None:
            self._indices([])

    @functools.cached_property
    def _has_quoting(self) -> bool:
        """Whether fields may stand in quotes.

        If the file is wrong either way, it is the way in which more of it is right.
        """
        if not any(b'"' in line for _, line in self.lines()):
            return False
        faults: list[int] = []
        for quoting in (True, False):
            try:
                for _ in self._rows(quoting):
                    pass
                if faults:
                    log(
                        "keras-attn: note: quotes belong to the texts, and each line "
                        f"is a row: {self.path}:{faults[0]} is not quoted as by `csv`."
                    )
                return quoting
            except _RowError as error:
                faults.append(error.number)
        return faults[0] >= faults[1]

    def _rows(self, quoting: bool) -> Iterator[tuple[int, list[bytes], bytes]]:
        """Yields the number of a row's first line, its fields, and its line end.

        A byte order mark and blank lines are rows of one field.
        """
        width = None
        for number, lines in self._records(quoting):
            record = b"".join(lines)
            row = record.rstrip(b"\r\n")
            end = record[len(row) :]
            if not number or (width is not None and not row.strip()):
                yield number, [row], end
                continue
            fields = _fields(row) if quoting else row.split(b"\t")
            if width is None:
                width = len(fields)
            if len(fields) != width:
                raise _RowError(
                    "Each row must have as many fields as the header. Received: "
                    f"{self.path}:{number} with {len(fields)}, the header with {width}."
                    " Add or remove tabs.",
                    number,
                )
            if quoting and not _has_quoted_fields(fields, lines):
                raise _RowError(
                    "Quotes must surround whole fields and be doubled inside of them, "
                    "or belong to the texts in all rows. Received: "
                    f"{self.path}:{number}. Write fields as `csv` does, or no quotes.",
                    number,
                )
            yield number, fields, end

    def _records(self, quoting):
        """Yields the number of the first line of each record, and its lines.

        A field in quotes goes on behind a line with an odd number of quotes.
        """
        first, record, quotes = 0, [], 0
        for number, line in self.lines():
            if not record:
                first = number
            record.append(line)
            quotes += line.count(b'"')
            if quotes % 2 == 0 or not quoting:
                yield first, record
                record = []
        if record:
            yield first, record

    def _indices(self, header):
        names = [decode(self._unquoted(field)) for field in header]
        for column in self.columns:
            if column not in names:
                raise ValueError(
                    f"--column names a column of the header. Received: {column!r} for "
                    f"{self.path}:1, whose columns are {', '.join(names) or 'none'}."
                    f"{did_you_mean(column, names)}"
                )
        return {index for index, name in enumerate(names) if name in self.columns}

    def _passage(self, number, field):
        content = self._unquoted(field)
        encode = _quote if content is not field else self._encode
        return Passage(field, decode(content), number, encode, self.wrapped)

    def _unquoted(self, field):
        if self._has_quoting and field.startswith(b'"'):
            return field[1:-1].replace(b'""', b'"')
        return field

    def _encode(self, text):
        """Returns the bytes of a text whose source stood without quotes."""
        if self._has_quoting and _NEEDS_QUOTES.search(text):
            return _quote(text)
        return _BREAKS.sub(" ", text).encode()


class _RowError(ValueError):
    """A row is wrong, in the line of this number."""

    def __init__(self, message, number):
        super().__init__(message)
        self.number = number


def _fields(row):
    """Splits a row at the tabs that stand outside of quotes."""
    fields, begin = [], 0
    while begin <= len(row):
        field = _FIELD.match(row, begin)[0]
        fields.append(field)
        begin += len(field) + 1
    return fields


def _has_quoted_fields(fields, lines):
    """Whether quotes surround fields, and not what would be rows by itself."""
    if len(lines) > 1 and all(line.count(b"\t") == len(fields) - 1 for line in lines):
        return False
    return all(_QUOTED.fullmatch(field) for field in fields if b'"' in field)


def _quote(text):
    doubled = text.replace('"', '""')
    return f'"{doubled}"'.encode()
