"""`keras-attn translate`: translates text locally or by a server."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_attn.command_line import (
    AsJson,
    Mbr,
    Temperature,
    TopK,
    TopP,
    print_result,
    sampling_options,
    waiting,
)
from keras_attn.presets import digest
from keras_attn.saved import find_translator
from keras_attn.serving.commands.translate_input import chunks, input_texts
from keras_attn.serving.commands.translate_output import (
    AttentionFormat,
    Output,
    Show,
    warn_of_limits,
)
from keras_attn.serving.files.formats import open_document
from keras_attn.serving.files.translate_file import (
    TranslateTexts,
    translate_file,
)
from keras_attn.translation import Translation

__all__ = ["translate"]


class Markup(str, Enum):
    """What is markup in the texts."""

    html = "html"
    xml = "xml"
    placeholders = "placeholders"


def translate(
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="Texts; if none, each line of standard input."),
    ] = None,
    translator: Annotated[
        Path | None,
        typer.Option(
            "--translator",
            "-t",
            help="A .keras file, a run folder with one, or a preset: demo.",
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(help="HOST:PORT of a server, in place of --translator."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Name of the model on the server.")
    ] = "translator",
    timeout: Annotated[
        float,
        typer.Option(min=0.001, help="Maximum seconds for one request to the server."),
    ] = 60.0,
    tls: Annotated[
        bool,
        typer.Option(
            "--tls",
            help="Encrypt the connection to --server; implied by the other --tls "
            "options.",
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
        typer.Option(
            help="PEM file of the client's certificate, for servers that require one."
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="PEM file of its private key.")
    ] = None,
    tls_server_name: Annotated[
        str | None,
        typer.Option(
            help="Name in the server's certificate, where it differs from the host in "
            "--server."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Translate a file in place of TEXTS and write --out, in which all but "
            "the texts stays byte for byte. Each line is a paragraph."
        ),
    ] = None,
    wrapped: Annotated[
        bool,
        typer.Option(
            "--wrapped",
            help="With --file: paragraphs are broken into lines and end at a blank "
            "line. Their translation is one line.",
        ),
    ] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="With --file: it is TSV with a header row, and this column is "
            "translated; may be repeated.",
            show_default=False,
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="With --file: it is JSON Lines, and this field is translated, such as "
            "text or document.title; may be repeated.",
            show_default=False,
        ),
    ] = None,
    attention: Annotated[
        AttentionFormat | None,
        typer.Option(help="Show the attention weights in the terminal or in a file."),
    ] = None,
    show: Annotated[
        Show | None,
        typer.Option(
            help="What --attention draws: attention, where the model looked, or "
            "alignment, which words translate which.",
            show_default="alignment, if the translator has an aligner",
        ),
    ] = None,
    links: Annotated[
        bool,
        typer.Option(
            "--links",
            help="Print which source words each word translates: a second line under "
            "each translation, or with --json a list. By the translator's aligner or, "
            "without one, by attention.",
        ),
    ] = False,
    markup: Annotated[
        Markup | None,
        typer.Option(
            help="Keep tags and placeholders such as {name} as they are, in their "
            "places: in HTML, in XML, or placeholders alone.",
            show_default="all is text",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The translation of --file; or the file for html or png, where "
            "several png files are numbered.",
            show_default="attention.html, attention.png",
        ),
    ] = None,
    subwords: Annotated[
        bool,
        typer.Option(
            "--subwords", help="Show attention or links of subwords, not of words."
        ),
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
    split_sentences: Annotated[
        str | None,
        typer.Option(
            help="Texts that are translated by their sentences: never, long (those "
            "longer than training has seen) or always (all with more than one). Only "
            "with --translator.",
            show_default="the translator's own",
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            help="Beginning of every translation, which is completed.",
            show_default=False,
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            help="A phrase that every translation must contain; may be repeated. With "
            "--server, its model must be exported with --constrained.",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        bool,
        typer.Option(
            "--sample",
            help="Draw translations in place of a search; implied by the next four. "
            "Only with --translator.",
        ),
    ] = False,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed, the same samples; each text takes the next integer.",
            show_default="a new one",
        ),
    ] = None,
    mbr: Mbr = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, show_default="64; with --server, 32")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Translate text, optionally with attention, links or markup.

    Examples: keras-attn translate -t demo "Der Hund schläft." --attention text

    keras-attn translate -t demo "Der Hund schläft." --links

    keras-attn translate -t demo "Der <b>Hund</b> schläft." --markup html

    keras-attn translate -t runs/mine < source.txt > target.txt

    keras-attn translate --server localhost:8500 < source.txt > target.txt

    keras-attn translate -t runs/mine --mbr 16 < source.txt > target.txt

    keras-attn translate -t demo --file page.txt --out seite.txt

    keras-attn translate -t demo --file rows.tsv --column text --out translated.tsv
    """
    if (translator is None) == (server is None):
        raise ValueError(
            "Exactly one of --translator and --server must be given. Received: "
            f"--translator {translator}, --server {server}."
        )
    exported = {
        "--beam-size": beam_size,
        "--length-penalty": length_penalty,
        "--split-sentences": split_sentences,
    }
    if server is not None and any(value is not None for value in exported.values()):
        received = ", ".join(f"{name} {value}" for name, value in exported.items())
        raise ValueError(
            "A server searches as its model was exported. Received: "
            f"{received} with --server. Give them to `keras-attn export`."
        )
    tls_options = {
        "ca": tls_ca,
        "certificate": tls_certificate,
        "key": tls_key,
        "server_name": tls_server_name,
    }
    encrypted = tls or any(tls_options.values())
    if encrypted and server is None:
        raise ValueError(
            "The --tls options belong to --server. Received: a --tls option "
            "without --server."
        )
    sampling = sampling_options(sample, temperature, top_k, top_p, seed)
    if server is not None and mbr is not None:
        raise ValueError(
            "A server returns the best hypothesis of its search. Received: "
            f"--mbr {mbr} with --server. Give --translator."
        )
    if mbr is not None and (prefix is not None or require):
        raise ValueError(
            "Minimum Bayes risk chooses among candidates that no constraint binds. "
            f"Received: --mbr {mbr} with --prefix or --require. Leave one of them out."
        )
    if server is not None and sampling is not None:
        raise ValueError(
            "A server draws no samples. Received: --sample, --temperature, --top-k, "
            "--top-p or --seed with --server. Give --translator."
        )
    if show is not None and attention is None:
        raise ValueError(
            "--show says what --attention draws. "
            f"Received: --show {show.value} without --attention."
        )
    drawn = attention is not None or links
    if markup is not None and (drawn or prefix is not None or require):
        raise ValueError(
            "With --markup the text between tags is translated, and nothing is drawn "
            f"or required. Received: --markup {markup.value} with --attention, "
            "--links, --prefix or --require."
        )
    if file is None and (wrapped or column or field):
        raise ValueError(
            "--wrapped, --column and --field say how --file is read. Received: one of "
            "them without --file."
        )
    # Deployments of `keras-attn deploy` take 32 rows of a request.
    batch_size = batch_size or (64 if server is None else 32)
    one_batch = texts is not None and 0 < len(texts) <= batch_size

    @contextlib.contextmanager
    def connected():
        from keras_attn.serving import Client, Tls

        with Client(
            server,
            tls=Tls(**tls_options) if encrypted else None,
            model=model,
            timeout=timeout,
            batch_size=batch_size,
        ) as client:
            yield client

    @contextlib.contextmanager
    def translating(done: int = 0) -> Iterator[Callable[..., list[Translation]]]:
        if server is not None:
            with connected() as client:
                yield client.translate
        else:
            yield _local_translate(
                translator,
                beam_size,
                length_penalty,
                batch_size,
                one_batch,
                sampling,
                None if seed is None else seed + done,
                split_sentences,
                mbr,
            )

    if file is None:
        output = Output(attention, show, links, out, not subwords, as_json)
        with translating() as translate_chunk, input_texts(texts) as lines:
            for chunk in chunks(lines):
                if markup is not None:
                    names = [
                        f"text {output.count + row}" for row, _ in enumerate(chunk, 1)
                    ]
                    for result in _with_markup(translate_chunk, chunk, names, markup):
                        output.add_markup(result)
                    continue
                constraints = _constraints(prefix, require, len(chunk))
                for translation in translate_chunk(chunk, **constraints):
                    output.add(translation)
        output.close()
        return
    if texts or drawn or out is None:
        raise ValueError(
            "--file is translated as a whole and written to --out. Received: --file "
            f"{file} with TEXTS, --attention or --links, or without --out."
        )
    document = open_document(file, column or (), field or (), wrapped=wrapped)
    options: dict[str, Any] = {
        "--wrapped": wrapped,
        "--column": column,
        "--field": field,
        "--beam-size": beam_size,
        "--length-penalty": length_penalty,
        "--split-sentences": split_sentences,
        "--prefix": prefix,
        "--require": require,
        "--markup": None if markup is None else markup.value,
        "sampling": sampling,
        "--seed": seed,
        "--mbr": mbr,
    }
    if translator is not None:
        options["--translator"] = digest(find_translator(translator))
    else:
        with connected() as client:
            version = _newest_version(client)
        options |= {"--server": server, "--model": model, "version": version}

    @contextlib.contextmanager
    def translating_lines(done: int) -> Iterator[TranslateTexts]:
        with translating(done) as translate_chunk:

            def translate_texts(texts, lines):
                names = [f"a text of line {line}" for line in lines]
                if markup is not None:
                    results = _with_markup(translate_chunk, texts, names, markup)
                    return [result.text for result in results]
                constraints = _constraints(prefix, require, len(texts))
                translations = translate_chunk(texts, **constraints)
                for translation, name in zip(translations, names, strict=True):
                    warn_of_limits(translation, name)
                return [translation.text for translation in translations]

            yield translate_texts

    count = translate_file(document, out, options, translating_lines)
    print_result({"out": out, "texts": count}, str(out), as_json)


def _newest_version(client):
    """Returns the number of the newest version that is ready, or `None`."""
    ready = (s.version for s in client.status() if s.state == "AVAILABLE")
    return max(ready, default=None)


def _with_markup(translate_chunk, texts, names, markup):
    """Returns the `MarkupTranslation` of each text; `names` are those of messages."""
    from keras_attn.markup import MarkupError, translate_markup

    syntax = None if markup is Markup.placeholders else markup.value
    try:
        results = translate_markup(translate_chunk, texts, markup=syntax)
    except MarkupError as error:
        place = f"column {error.column} of {names[error.row]}"
        if error.line > 1:
            place = f"line {error.line}, {place}"
        raise ValueError(
            "Markup must be well-formed in each text, and a line of the input is a "
            "text: each `<` begins a tag, and each start tag has an end tag. Received: "
            f"{place}: {error.fault}. Mend it, or write `&lt;` or `&amp;` for the "
            "character."
        ) from error
    for result, name in zip(results, names, strict=True):
        for part in result.parts:
            warn_of_limits(part, name)
    return results


def _constraints(prefix, require, count):
    """Returns the arguments by which `count` texts have the same constraints."""
    constraints: dict[str, list] = {}
    if prefix is not None:
        constraints["prefixes"] = [prefix] * count
    if require:
        constraints["required"] = [require] * count
    return constraints


def _local_translate(
    path,
    beam_size,
    length_penalty,
    batch_size,
    one_batch,
    sampling,
    seed,
    split_sentences,
    mbr,
) -> Callable:
    from keras_attn.quiet import import_tensorflow

    path = find_translator(path)
    with waiting(f"loading {path}"):
        if importlib.util.find_spec("tensorflow") is not None:  # or JAX or PyTorch
            import_tensorflow()
        from keras_attn import Translator
        from keras_attn.decoding import Sampling
        from keras_attn.text import graph

        sampling = None if sampling is None else Sampling(**sampling)

        if not one_batch:
            graph.share_cores()
        translator = Translator.load(path)

    first = seed

    def translate_chunk(texts: Sequence[str], **constraints) -> list[Translation]:
        nonlocal first
        chunk_seed = first
        if first is not None:
            first += len(texts)
        return translator.translate(
            texts,
            beam_size=beam_size,
            length_penalty=length_penalty,
            sampling=sampling,
            seed=chunk_seed,
            mbr=mbr,
            split_sentences=split_sentences,
            batch_size=batch_size,
            **constraints,
        )

    return translate_chunk
