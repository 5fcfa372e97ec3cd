"""`keras-attn translate`: text from arguments or standard input, here or by gRPC."""

import contextlib
import itertools
import os
import stat
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from keras_attn.command_line import AsJson, log, print_result, progress, waiting
from keras_attn.translation import Translation

__all__ = ["translate"]

_LINES_AT_ONCE = 512


class AttentionForm(str, Enum):
    """How attention is shown."""

    text = "text"
    html = "html"
    png = "png"


def translate(
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="Texts; without any, one text a line of standard input."),
    ] = None,
    translator: Annotated[
        Path | None,
        typer.Option(
            "--translator", "-t", help="A .keras file, or the run folder that holds it."
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(help="HOST:PORT of a server, instead of --translator."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Name of the model on the server.")
    ] = "translator",
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds to wait for the server.")
    ] = 60.0,
    tls: Annotated[
        bool,
        typer.Option(
            "--tls",
            help="Encrypt the connection to --server; the other --tls options do so, "
            "too.",
        ),
    ] = False,
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of the authorities of the server's certificate.",
            show_default="those that gRPC trusts",
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(help="PEM file of a certificate of your own, where it is asked."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="PEM file of its private key.")
    ] = None,
    tls_server_name: Annotated[
        str | None,
        typer.Option(
            help="Name in the server's certificate, where that is not the name in "
            "--server."
        ),
    ] = None,
    attention: Annotated[
        AttentionForm | None,
        typer.Option(help="Show where the model looked: in the terminal or a file."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File of the html or png; several png are numbered.",
            show_default="attention.html, attention.png",
        ),
    ] = None,
    subwords: Annotated[
        bool, typer.Option("--subwords", help="Attention of subwords, not of words.")
    ] = False,
    beam_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Only with --translator.", show_default="the translator's own"
        ),
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(
            min=0, help="Only with --translator.", show_default="the translator's own"
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    as_json: AsJson = False,
) -> None:
    """Translate text, and show where the model looked.

    Examples: keras-attn translate -t runs/demo "Der Hund schläft." --attention text

    keras-attn translate --server localhost:8500 < source.txt > target.txt
    """
    if (translator is None) == (server is None):
        raise ValueError(
            "A translation is made by --translator or by --server. Received: "
            f"--translator {translator}, --server {server}. Give one of them."
        )
    if server is not None and (beam_size, length_penalty) != (None, None):
        raise ValueError(
            "A server searches as its model was exported. Received: --beam-size "
            f"{beam_size}, --length-penalty {length_penalty} with --server. Give them "
            "to `keras-attn export`."
        )
    files = {"ca": tls_ca, "certificate": tls_certificate, "key": tls_key}
    encryption = {**files, "server_name": tls_server_name}
    encrypted = tls or any(encryption.values())
    if encrypted and server is None:
        raise ValueError(
            "A connection is encrypted where there is one. Received: a --tls option "
            "without --server. Leave it out."
        )
    show = _Output(attention, out, not subwords, as_json)
    answering: contextlib.AbstractContextManager[Callable]
    if server is not None:
        options = {"model": model, "timeout": timeout, "batch_size": batch_size}
        answering = _remote(server, encryption if encrypted else None, **options)
    else:
        few = texts is not None and 0 < len(texts) <= batch_size
        local = _local(translator, beam_size, length_penalty, batch_size, few)
        answering = contextlib.nullcontext(local)
    with answering as answer, _reading(texts) as lines:
        for chunk in _chunks(lines):
            for translation in answer(chunk):
                show(translation)
    show.close()


@contextlib.contextmanager
def _remote(server, encryption, **options) -> Iterator[Callable]:
    from keras_attn.serving.client import Client, Tls

    tls = None if encryption is None else Tls(**encryption)
    with Client(server, tls=tls, **options) as client:
        yield client.translate


def _local(path, beam_size, length_penalty, batch_size, few) -> Callable:
    from keras_attn.quiet import import_tensorflow
    from keras_attn.saved import find_translator

    path = find_translator(path)
    with waiting(f"loading {path}"):
        import_tensorflow()
        from keras_attn import Translator
        from keras_attn.text import graph

        if not few:
            graph.share_cores()
        translator = Translator.load(path)

    def answer(texts: Sequence[str]) -> list[Translation]:
        return translator.translate(
            texts,
            beam_size=beam_size,
            length_penalty=length_penalty,
            batch_size=batch_size,
        )

    return answer


@contextlib.contextmanager
def _reading(texts) -> Iterator[Iterable[str]]:
    """Yields texts, with a bar where a file is read and not written to a terminal."""
    if texts:
        yield texts
        return
    size = _bytes_left(sys.stdin)
    if size is None or sys.stdout.isatty():
        yield _lines(sys.stdin.buffer)
        return
    with progress("translating", size) as advance:
        yield _lines(sys.stdin.buffer, advance)


def _bytes_left(stream):
    """Returns how long a file is; `None` of what is no file, such as a pipe."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _lines(stream, advance=None) -> Iterator[str]:
    """Yields the lines of a byte stream; says so where one is not UTF-8.

    A line's bytes count as done when the next one is asked for.
    """
    for number, line in enumerate(stream, 1):
        size = len(line)
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            _warn(f"line {number} is not UTF-8 ({error.reason}); read with U+FFFD.")
            text = line.decode("utf-8", "replace")
        yield text
        if advance is not None:
            advance(size)


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yields lists of texts; of one line where a person types them."""
    size = 1 if sys.stdin.isatty() else _LINES_AT_ONCE
    texts = iter(texts)
    while chunk := list(itertools.islice(texts, size)):
        yield chunk


class _Output:
    """Prints translations and draws their attention."""

    def __init__(self, attention, out, words, as_json):
        self.attention = attention
        self.out = out
        self.words = words
        self.as_json = as_json
        self.count = 0
        self.page: list[Translation] = []

    def __call__(self, translation: Translation) -> None:
        self.count += 1
        found = translation.to_dict() if self.as_json else {}
        print_result(found, translation.text, self.as_json)
        if translation.source_truncated:
            _warn(
                f"text {self.count} is over the translator's limit: "
                f"{translation.source_truncated} or more tokens at its end were not "
                "read."
            )
        if translation.target_truncated:
            _warn(f"translation {self.count} was ended by the length limit.")
        if self.attention is AttentionForm.text:
            from keras_attn.plotting import attention_text

            print(attention_text(translation, words=self.words), flush=True)
        elif self.attention is AttentionForm.html:
            self.page.append(translation)
        elif self.attention is AttentionForm.png:
            from keras_attn.plotting import MissingGlyphWarning, save_attention_png

            path = self.out or Path("attention.png")
            if self.count > 1:
                path = path.with_stem(f"{path.stem}-{self.count}")
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", MissingGlyphWarning)
                save_attention_png(translation, path, words=self.words)
            for each in said:
                _warn(str(each.message))
            _warn(f"wrote {path}", level="note")

    def close(self) -> None:
        if self.page:
            from keras_attn.plotting import attention_html

            path = self.out or Path("attention.html")
            page = attention_html(self.page, words=self.words)
            path.write_text(page, encoding="utf-8")
            _warn(f"wrote {path}", level="note")


def _warn(message, level="warning"):
    log(f"keras-attn: {level}: {message}")
