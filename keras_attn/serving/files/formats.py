"""The format of a file, by what is to be translated in it."""

from collections.abc import Sequence
from pathlib import Path

from keras_attn.serving.files.document import Document
from keras_attn.serving.files.json_lines import JsonLines
from keras_attn.serving.files.plain_text import PlainText
from keras_attn.serving.files.tsv import Tsv

__all__ = ["open_document"]

_NEEDED = {
    ".tsv": "--column NAME",
    ".jsonl": "--field NAME",
    ".ndjson": "--field NAME",
}


def open_document(
    path: Path,
    columns: Sequence[str] = (),
    fields: Sequence[str] = (),
    *,
    wrapped: bool = False,
) -> Document:
    """Returns a file as TSV, as JSON Lines, or as plain text with neither names.

    Args:
        path: The file.
        columns: Columns of TSV to translate.
        fields: Fields of JSON Lines to translate.
        wrapped: As in `Document`.

    Raises:
        ValueError: If there are both columns and fields, or neither for a file whose
            name says that it is not plain text.
    """
    if columns and fields:
        raise ValueError(
            "--column is for TSV, --field for JSON Lines. Received: both. Give one."
        )
    if columns:
        return Tsv(path, columns, wrapped=wrapped)
    if fields:
        return JsonLines(path, fields, wrapped=wrapped)
    needed = _NEEDED.get(path.suffix.lower())
    if needed is not None:
        raise ValueError(
            f"In a {path.suffix} file only what is named is translated. "
            f"Received: {path} without a name. Give {needed}."
        )
    return PlainText(path, wrapped=wrapped)
