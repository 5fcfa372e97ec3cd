"""Translates a file, continues what was interrupted, and writes the result at once.

While it runs, translations stand in a file beside the output, one a line under a line
that says what is translated and how. The same command continues it; when all is done,
the output is written and that file removed.
"""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from keras_attn import __version__
from keras_attn.command_line import atomic_write, check_output, log, progress, warn
from keras_attn.portable import locked
from keras_attn.presets import digest
from keras_attn.serving.files.document import Document, Passage

__all__ = ["TranslateTexts", "translate_file"]

_TEXTS_PER_CHUNK = 512
_CHARACTERS_PER_CHUNK = 50_000


class TranslateTexts(Protocol):
    """Translates texts; `lines` are those of the file where they stand."""

    def __call__(self, texts: Sequence[str], lines: Sequence[int]) -> list[str]: ...


def translate_file(
    document: Document,
    out: Path,
    options: Mapping[str, Any],
    translating: Callable[[int], contextlib.AbstractContextManager[TranslateTexts]],
) -> int:
    """Writes a file with the translations of its texts, and all other bytes as before.

    The whole file is read before anything is translated, so that an error in its last
    line costs no time.

    Args:
        document: The file.
        out: The file to write or replace.
        options: What decides the translations, by the names that a person knows.
        translating: Called with the number of texts that are translated already, if
            some are not; returns the context of the function that translates.

    Returns:
        The number of texts.

    Raises:
        FileExistsError: If an unfinished translation of another input, or with other
            options, lies beside `out`.
        OSError: If the file is not a regular one, or `out` cannot be written.
        ValueError: If the file is not of its format.
    """
    _check_paths(document.path, out)
    _warn_of_damage(document)
    count = characters = 0
    for text, _ in _texts(document):
        count += 1
        characters += len(text)
    identity = {"input": digest(document.path), **options}
    with _open_partial(out, identity) as partial:
        if partial.count:
            log(
                f"keras-attn: note: {partial.count:,} of {count:,} texts are in "
                f"{partial.path} already; continuing."
            )
        if partial.count < count:
            _translate_rest(document, partial, characters, translating)
        if digest(document.path) != identity["input"]:
            raise ValueError(
                "A file must not change while it is translated. Received: "
                f"{document.path}, which did. Delete {partial.path} and start again."
            )
        translations = partial.translations()
        with atomic_write(out) as temporary, open(temporary, "wb") as file:
            for part in document.parts():
                if isinstance(part, Passage):
                    part = part.translated([next(translations) for _ in part.texts])
                file.write(part)
        partial.path.unlink()
    return count


def _check_paths(path, out):
    if not path.is_file():
        problem = "is no regular file" if path.exists() else "does not exist"
        raise FileNotFoundError(
            "The file to translate must be a regular one, since it is read more than "
            f"once. Received: {path}, which {problem}."
        )
    if out.exists():
        if out.samefile(path):
            raise FileExistsError(
                "A translation is written to another file. "
                f"Received: {path} as input and output."
            )
        if not out.is_file() and not out.is_dir():
            raise FileExistsError(
                "A translation that can be continued is written to a regular file. "
                f"Received: {out}."
            )
    check_output(out)


def _passages(document: Document) -> Iterator[Passage]:
    return (part for part in document.parts() if isinstance(part, Passage))


def _texts(document: Document) -> Iterator[tuple[str, int]]:
    """Yields each text of a file and the line where its passage begins."""
    for passage in _passages(document):
        for text in passage.texts:
            yield text, passage.line


def _warn_of_damage(document):
    for passage in _passages(document):
        if passage.is_damaged:
            warn(
                f"line {passage.line} is not valid Unicode; translated with U+FFFD in "
                "place of what is not."
            )


def _translate_rest(document, partial, characters, translating):
    texts = _texts(document)
    done = sum(len(text) for text, _ in itertools.islice(texts, partial.count))
    with (
        translating(partial.count) as translate,
        progress("translating", characters) as advance,
    ):
        advance(done)
        for chunk in _chunks(texts):
            partial.append(translate(*map(list, zip(*chunk, strict=True))))
            advance(sum(len(text) for text, _ in chunk))


def _chunks(texts):
    """Yields lists of texts; what is done of one is lost if the process is killed."""
    chunk, characters = [], 0
    for text, line in texts:
        chunk.append((text, line))
        characters += len(text)
        if len(chunk) == _TEXTS_PER_CHUNK or characters >= _CHARACTERS_PER_CHUNK:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


@contextlib.contextmanager
def _open_partial(out: Path, identity: Mapping[str, Any]) -> Iterator["_Partial"]:
    """Yields the unfinished translation of a file, which no other process writes.

    If the block fails, it stays, unless nothing is in it.
    """
    path = out.with_name(f"{out.name}.partial")
    check_output(path)
    with open(path, "a+b") as file, contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(path, wait=False))
        except BlockingIOError as error:
            raise FileExistsError(
                "One process at a time translates into a file. Received: "
                f"{out}, into which another one does. Wait, or name another file."
            ) from error
        partial = _Partial(path, file, {"keras-attn": __version__, **identity})
        try:
            yield partial
        except BaseException:
            if partial.count:
                log(
                    f"keras-attn: note: {partial.count:,} translations are in {path}; "
                    "the same command continues."
                )
            else:
                path.unlink(missing_ok=True)
            raise


class _Partial:
    """An unfinished translation of a file.

    Args:
        path: Where it lies.
        file: The same, open for reading and appending.
        identity: What must be equal for the translation to be continued, by name.

    Attributes:
        count: Number of translations in it.
    """

    def __init__(self, path: Path, file: BinaryIO, identity: Mapping[str, Any]):
        self.path = path
        self.count = 0
        self._file = file
        header = json.dumps(identity).encode() + b"\n"
        file.seek(0)
        begin = file.readline()
        end = len(begin)
        for line in file:
            if not _is_string(line):
                break  # half a line, of a killed process
            self.count += 1
            end += len(line)
        if begin:
            self._check(_identity(begin), json.loads(header))
        if self.count:
            file.truncate(end)
        else:
            file.truncate(0)
            file.write(header)
            file.flush()

    def _check(self, old, new):
        if old is None:
            raise FileExistsError(
                "What is translated is first written to a file beside the output. "
                f"Received: {self.path}, which holds something else. Move it away."
            )
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        if names and self.count:
            raise FileExistsError(
                "An unfinished translation is continued with the same input, "
                f"translator and options. Received: {self.path}, begun with another "
                f"{' and another '.join(names)}. Run the same command as then, or "
                "delete that file."
            )

    def append(self, translations: Sequence[str]) -> None:
        """Adds the translations of the next texts."""
        lines = [json.dumps(translation) + "\n" for translation in translations]
        self._file.write("".join(lines).encode())
        self._file.flush()
        self.count += len(lines)

    def translations(self) -> Iterator[str]:
        """Yields all translations from the first one."""
        with open(self.path, "rb") as file:
            file.readline()
            for line in file:
                yield json.loads(line)


def _is_string(line):
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), str)
    except ValueError:
        return False


def _identity(header):
    """Returns what the first line of a partial file says; `None` for another file."""
    try:
        identity = json.loads(header)
    except ValueError:
        return None
    return identity if isinstance(identity, dict) and "keras-attn" in identity else None
