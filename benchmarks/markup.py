"""Do tags stand where the words that they enclosed are translated?"""

import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.options import AsJson, log
from benchmarks.report import publish
from keras_attn import Translation, Translator
from keras_attn.markup import translate_markup
from keras_attn.metrics import parse_pharaoh
from keras_attn.saved import find_translator
from keras_attn.text import word_spans
from keras_attn.training.corpora.builtin import GeneratedPair, generate
from keras_attn.translation import utf8

_TAG = re.compile(r'<g id="(\d+)">|</g>')
_MOST_TAGS, _MOST_WORDS = 3, 6

Span = tuple[int, int]


def markup(
    translator: Annotated[
        str, typer.Option(help="A .keras file, a run folder with one, or a preset.")
    ] = "demo",
    sentences: Annotated[
        int, typer.Option(min=1, help="Sentences of the built-in corpus's test.")
    ] = 500,
    seed: Annotated[int, typer.Option(help="Of sentences and tags.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure how many tags come back around the words that gold links name.

    Each sentence has one to three tags, side by side or nested, around words whose
    translation is contiguous in the reference. The reference is aligned by the
    translator and tags are put into it: a tag is right if it encloses all words with
    sure links from its own words, and none with sure links from others only. Then the
    same sentences are translated, and what is lost or invented is counted.

    Example: python -m benchmarks markup --translator runs/best --json
    """
    loaded = Translator.load(find_translator(Path(translator)))
    pairs = list(generate("test", sentences, seed))
    chooser = random.Random(seed)
    tags = [choose_tags(pair, chooser) for pair in pairs]
    texts = [
        insert_tags(pair.source, spans) for pair, spans in zip(pairs, tags, strict=True)
    ]
    log(f"{sum(map(len, tags))} tags in {len(pairs)} sentences")

    def align(sources: Sequence[str]) -> list[Translation]:
        return loaded.align(sources, [pair.target for pair in pairs])

    aligned = translate_markup(align, texts, markup="xml")
    translated = translate_markup(loaded.translate, texts, markup="xml")
    results = [result.text for result in (*aligned, *translated)]
    has_aligner = aligned[0].parts[0].alignment is not None
    metrics: dict[str, Any] = {
        "translator": Path(translator).name,
        "links_from": "alignment" if has_aligner else "attention",
        "sentences": len(texts),
        "tags": sum(map(len, tags)),
        "texts": len(results),
        **count_tags([*tags, *tags], results),
        "share_on_gold_words": round(
            share_on_gold_words(pairs, tags, results[: len(pairs)]), 4
        ),
    }
    publish("markup", "the built-in corpus", metrics, as_json=as_json)


def choose_tags(pair: GeneratedPair, chooser: random.Random) -> list[Span]:
    """Returns one to three ranges of source words, nested or apart.

    The words that translate those of a range, by sure links, are contiguous.
    """
    links = parse_pharaoh(pair.alignment).sure
    count = len(word_spans(pair.source))
    candidates = []
    for begin in range(count):
        for end in range(begin + 1, min(begin + _MOST_WORDS, count) + 1):
            own, others = _linked(links, (begin, end))
            if own and not others & set(range(min(own), max(own))):
                candidates.append((begin, end))
    chooser.shuffle(candidates)
    most = chooser.randint(1, _MOST_TAGS)
    spans: list[Span] = []
    for begin, end in candidates:
        if len(spans) < most and all(
            end <= first
            or stop <= begin
            or (first <= begin and end <= stop)
            or (begin <= first and stop <= end)
            for first, stop in spans
        ):
            spans.append((begin, end))
    return spans


def _linked(links: Iterable[Span], span: Span) -> tuple[set[int], set[int]]:
    """Returns the target words of the words in a span, and those of others only."""
    own = {target for source, target in links if span[0] <= source < span[1]}
    others = {target for source, target in links if not span[0] <= source < span[1]}
    return own, others - own


def insert_tags(text: str, spans: Sequence[Span]) -> str:
    """Returns a text with a tag around each range of words; its id is its number."""
    words, data = word_spans(text), utf8(text)
    # Ends before beginnings; inner ends first, outer beginnings first.
    tags = [
        (words[begin][0], 1, begin - end, f'<g id="{number}">')
        for number, (begin, end) in enumerate(spans)
    ]
    tags += [(words[end - 1][1], 0, end - begin, "</g>") for begin, end in spans]
    position, parts = 0, []
    for offset, _, _, tag in sorted(tags):
        parts += [data[position:offset].decode(), tag]
        position = offset
    return "".join([*parts, data[position:].decode()])


def enclosed_words(text: str) -> dict[int, set[int]] | None:
    """Returns the words in each tag of `insert_tags`; `None`: tags are not nested."""
    opened: list[tuple[int, int]] = []
    spans: dict[int, Span] = {}
    plain, position = b"", 0
    for match in _TAG.finditer(text):
        plain += utf8(text[position : match.start()])
        position = match.end()
        if match[1]:
            opened.append((int(match[1]), len(plain)))
        elif opened:
            number, begin = opened.pop()
            spans[number] = begin, len(plain)
        else:
            return None
    words = word_spans((plain + utf8(text[position:])).decode())
    return (
        None
        if opened
        else {
            number: {
                word
                for word, (first, stop) in enumerate(words)
                if begin <= first and stop <= end
            }
            for number, (begin, end) in spans.items()
        }
    )


def count_tags(tags: Sequence[Sequence[Span]], texts: Sequence[str]) -> dict[str, int]:
    """Returns how many texts are well-formed, and how many tags are lost or invented.

    Args:
        tags: The ranges that each text's source has tags around.
        texts: The texts with tags.
    """
    counts = {"well_formed": 0, "lost": 0, "invented": 0}
    for spans, text in zip(tags, texts, strict=True):
        counts["well_formed"] += enclosed_words(text) is not None
        starts = [match[1] for match in _TAG.finditer(text) if match[1]]
        expected = {str(number) for number in range(len(spans))}
        counts["lost"] += len(expected - set(starts))
        counts["invented"] += len(starts) - len(expected & set(starts))
    return counts


def share_on_gold_words(
    pairs: Sequence[GeneratedPair], tags: Sequence[Sequence[Span]], texts: Sequence[str]
) -> float:
    """Returns the share of tags around the right words of the references.

    Args:
        pairs: Sentences with gold links.
        tags: The ranges of source words with tags around them.
        texts: The references with tags.
    """
    right = total = 0
    for pair, spans, text in zip(pairs, tags, texts, strict=True):
        links = parse_pharaoh(pair.alignment).sure
        enclosed = enclosed_words(text) or {}
        for number, span in enumerate(spans):
            own, others = _linked(links, span)
            words = enclosed.get(number, set())
            right += own <= words and not words & others
            total += 1
    return right / total
