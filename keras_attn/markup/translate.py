"""Translates texts with markup and placeholders."""

import dataclasses
import itertools
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence

import numpy as np

from keras_attn.markup.placeholders import PLACEHOLDERS, compile_placeholders
from keras_attn.markup.render import render
from keras_attn.markup.segments import Segment, split_markup
from keras_attn.markup.spans import Links
from keras_attn.markup.tags import HTML, XML
from keras_attn.text.words import word_spans
from keras_attn.translation import Translation, check_texts, utf8

__all__ = [
    "MarkupError",
    "MarkupTranslation",
    "translate_markup",
    "translate_markup_async",
]

# Smallest weight of a link that places a tag whose words have no better ones.
_MIN_WEIGHT = 0.05

Translate = Callable[[list[str]], Sequence[Translation]]
TranslateAsync = Callable[[list[str]], Awaitable[Sequence[Translation]]]


class MarkupError(ValueError):
    """Markup that is not well-formed.

    Attributes:
        row: Number of its text, from 0.
        line: Line of the fault in that text, from 1.
        column: Column of the fault, from 1.
        fault: What it is.
    """

    def __init__(
        self,
        message: str,
        row: int = 0,
        line: int = 1,
        column: int = 1,
        fault: str = "",
    ) -> None:
        super().__init__(message)
        self.row = row
        self.line = line
        self.column = column
        self.fault = fault


@dataclasses.dataclass(frozen=True, slots=True)
class MarkupTranslation:
    """A translated text with its markup.

    Attributes:
        source: The source text.
        text: Its translation.
        parts: The translations without markup that `text` is made of: one, or one for
            each block, or none where the text has no words.
    """

    source: str
    text: str
    parts: tuple[Translation, ...]


def translate_markup(
    translate: Translate,
    texts: Iterable[str],
    *,
    markup: str | None = "html",
    placeholders: Iterable[str] = PLACEHOLDERS,
    broken: str = "error",
) -> list[MarkupTranslation]:
    r"""Translates texts with tags and placeholders, and puts these in their places.

    Tags and placeholders are taken out, the plain text is translated, and they are put
    back where the words stand that translate those around them: each of them once, as
    it was. A start and an end tag enclose the words that translate what they enclosed.

    Args:
        translate: Translates a list of texts, such as `Translator.translate` or
            `Client.translate`. The translations must have alignment or attention.
        texts: Any number of texts.
        markup: `"html"`, `"xml"`, or `None` for texts in which placeholders are the
            only markup and `<` and `&` are characters like any others.
        placeholders: Regular expressions of what is no language, in the order in which
            they are tried. Those of the default are `{name}`, `{0}`, `${name}`,
            `{{name}}`, `%s`, `%1$d`, `%(name)s`, `%%`, URLs and e-mail addresses.
        broken: `"error"`, or `"text"`: a `<` that begins no tag and a tag without its
            other half are text, which is translated and escaped.

    Returns:
        A `MarkupTranslation` for each text, in order.

    Raises:
        TypeError: If `texts` or `placeholders` is a single string or holds anything but
            strings.
        MarkupError: A `ValueError`, if markup is broken.
        ValueError: If a placeholder is no regular expression, an option is none of
            these, or `translate` returns another number of
            translations or none with alignment or attention.

    Example: a translator that knows one sentence.

    >>> import numpy as np
    >>> from keras_attn import Token, Translation
    >>> def translate(texts):
    ...     source = [Token("▁ein", 0, 3), Token("▁Haus", 4, 8), Token("</s>", 8, 8)]
    ...     target = [Token("▁a", 0, 1), Token("▁house", 2, 7), Token("</s>", 7, 7)]
    ...     return [
    ...         Translation(
    ...             source="ein Haus", text="a house", score=0.0,
    ...             source_tokens=tuple(source), target_tokens=tuple(target),
    ...             token_scores=np.zeros(3, "float32"),
    ...             attention=np.eye(3, dtype="float32"),
    ...         )
    ...         for _ in texts
    ...     ]
    >>> [translation] = translate_markup(translate, ["ein <b>Haus</b> {n}"])
    >>> translation.text
    'a <b>house</b> {n}'
    """
    return _run(_requests(texts, markup, placeholders, broken), translate)


async def translate_markup_async(
    translate: TranslateAsync,
    texts: Iterable[str],
    *,
    markup: str | None = "html",
    placeholders: Iterable[str] = PLACEHOLDERS,
    broken: str = "error",
) -> list[MarkupTranslation]:
    """Does what `translate_markup` does, with a `translate` that is awaited.

    Args:
        translate: Such as `AsyncClient.translate`.
        texts: As for `translate_markup`.
        markup: As for `translate_markup`.
        placeholders: As for `translate_markup`.
        broken: As for `translate_markup`.

    Returns:
        As `translate_markup`.

    Raises:
        TypeError: As `translate_markup` does.
        ValueError: As `translate_markup` does.
    """
    requests = _requests(texts, markup, placeholders, broken)
    try:
        request = next(requests)
        while True:
            request = requests.send(await translate(request))
    except StopIteration as stop:
        return stop.value


def _run(requests, translate):
    """Answers requests, and returns what they end with."""
    try:
        request = next(requests)
        while True:
            request = requests.send(translate(request))
    except StopIteration as stop:
        return stop.value


# Yields texts, and is sent their translations: so that clients may await these.
_Requests = Generator[list[str], Sequence[Translation], list[MarkupTranslation]]


def _requests(
    texts: Iterable[str],
    markup: str | None,
    placeholders: Iterable[str],
    broken: str,
) -> _Requests:
    texts = check_texts("texts", texts)
    syntaxes = {"html": HTML, "xml": XML, None: None}
    if markup not in syntaxes:
        raise ValueError(
            f'`markup` must be "html", "xml" or None. Received: markup={markup!r}.'
        )
    if broken not in ("error", "text"):
        raise ValueError(
            f'`broken` must be "error" or "text". Received: broken={broken!r}.'
        )
    patterns = compile_placeholders(placeholders)
    split = []
    for row, text in enumerate(texts):
        report = _refuse(text, row) if broken == "error" else _accept
        split.append(split_markup(text, syntaxes[markup], patterns, report))
    segments = [part for parts in split for part in parts if isinstance(part, Segment)]
    translations = yield from _translations([segment.plain for segment in segments])
    aligned = yield from _aligned(segments, translations)
    rendered = iter(
        [
            render(segment, translation.text, *links, escape=markup is not None)
            for segment, translation, links in zip(
                segments, translations, aligned, strict=True
            )
        ]
    )
    used = iter(translations)
    results = []
    for text, parts in zip(texts, split, strict=True):
        codes = [part if isinstance(part, str) else next(rendered) for part in parts]
        count = sum(isinstance(part, Segment) for part in parts)
        own = tuple(itertools.islice(used, count))
        results.append(MarkupTranslation(text, "".join(codes), own))
    return results


def _refuse(text, row):
    """Returns a function that raises for what is broken in a text."""

    def refuse(at, what):
        line = text.count("\n", 0, at) + 1
        column = at - text.rfind("\n", 0, at)
        raise MarkupError(
            "Markup must be well-formed: each `<` begins a tag, and each start tag has "
            f"an end tag. Received: texts[{row}], at line {line}, column {column}: "
            f"{what}. Mend it, write `&lt;` or `&amp;` for the character, or take it "
            'as text by broken="text"; markup=None is for text without markup.',
            row,
            line,
            column,
            what,
        )

    return refuse


def _accept(at, what):
    """Leaves what is broken to be text."""


def _translations(texts):
    """Returns a translation for each text."""
    if not texts:
        return []
    translations = list((yield texts))
    if len(translations) != len(texts):
        raise ValueError(
            "`translate` must return one translation for each text. Received: "
            f"{len(translations)} for {len(texts)} texts."
        )
    return translations


def _aligned(segments, translations):
    """Returns the words of each translation and their links."""
    aligned = []
    for segment, translation in zip(segments, translations, strict=True):
        parts = []
        if segment.elements or segment.points:
            parts = [(0, 0, translation)]
            if not _has_weights(translation):
                parts = yield from _sentences(translation)
        aligned.append(_word_links(parts))
    return aligned


def _has_weights(translation):
    sources = len(translation.source_tokens)
    return translation.alignment is not None or (
        translation.attention.shape[1] == sources
    )


def _sentences(translation):
    """Returns the sentences of a translation that is too long to have attention.

    They are translated once more, one by one. Where a sentence has another translation
    then, as samples do, it has no links.
    """
    alone = translation.by_sentence()
    again = yield from _translations([part.source for part in alone])
    if not all(map(_has_weights, again)):
        raise ValueError(
            "`translate` must return translations with alignment or attention, by "
            "which tags and placeholders are placed. Received: a translation with "
            f"neither, source={translation.source[:60]!r}. Do not leave attention out."
        )
    return [
        (
            sentence.source_begin,
            sentence.target_begin,
            new if new.text == old.text else old,
        )
        for sentence, old, new in zip(translation.sentences, alone, again, strict=True)
    ]


def _word_links(parts):
    """Returns the spans of target words, and links, of successive translations.

    Args:
        parts: The offset of each in source and target, and the translation.
    """
    sources: list[tuple[int, int]] = []
    targets: list[tuple[int, int]] = []
    rows: list[tuple[int, int, float, bool]] = []
    for source_offset, target_offset, translation in parts:
        best = translation.links()
        is_best = {(link.source, link.target) for link in best}
        weaker = [
            link
            for link in translation.links(_MIN_WEIGHT)
            if (link.source, link.target) not in is_best
        ]
        rows += [
            (len(sources) + link.source, len(targets) + link.target, link.weight, kind)
            for kind, links in ((True, best), (False, weaker))
            for link in links
        ]
        source, text = utf8(translation.source), utf8(translation.text)
        for sentence in translation.sentences:
            begin, target_begin = sentence.source_begin, sentence.target_begin
            sources += _words(
                source[begin : sentence.source_end], source_offset + begin
            )
            targets += _words(
                text[target_begin : sentence.target_end], target_offset + target_begin
            )
    rows.sort()
    spans = np.array(sources, np.int64).reshape(-1, 2)
    table = np.array(rows, np.float64).reshape(-1, 4)
    return targets, Links(
        source=table[:, 0].astype(np.int64),
        target=table[:, 1].astype(np.int64),
        weight=table[:, 2],
        is_best=table[:, 3] > 0,
        source_begin=spans[:, 0],
        source_end=spans[:, 1],
        target_count=len(targets),
    )


def _words(text, offset):
    return [
        (offset + begin, offset + end)
        for begin, end in word_spans(text.decode("utf-8", "replace"))
    ]
