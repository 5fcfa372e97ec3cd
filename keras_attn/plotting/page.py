"""Attention as one HTML page that loads nothing, from nowhere."""

import base64
import dataclasses
import hashlib
import html
from collections.abc import Sequence
from importlib import resources

from keras_attn.plotting.grid import AttentionGrid, attention_grid, sentences_to_draw
from keras_attn.translation import Translation

__all__ = ["attention_html", "attention_parts", "whole_page"]

_LEVELS = 20  # shades of a cell: styles are classes, since the policy bans attributes
_LIGHT_TEXT_FROM = 12  # level from which dark text on the cell would be hard to read
_HINT = (
    "Point at a word, or move to it with Tab, to see where the model looked while it "
    "wrote that word, or which words it wrote while looking there."
)


@dataclasses.dataclass(frozen=True, slots=True)
class PageParts:
    """What a page of one's own takes to show attention maps.

    Attributes:
        style: Style sheet, colours for light and dark included.
        script: Script that links words with their rows and columns.
        maps: HTML of the translations, safe to put into `<main>`.
    """

    style: str
    script: str
    maps: str


def attention_parts(
    translations: Sequence[Translation], *, words: bool = True
) -> PageParts:
    """Draws attention for a page that shows other things, too; see `attention_html`.

    Args:
        translations: What to draw, each sentence of a text in a map of its own.
        words: Whether to merge subwords into words.

    Raises:
        ValueError: If tokens and attention of a translation do not fit together.
    """
    sentences = [part for each in translations for part in sentences_to_draw(each)]
    maps = "\n".join(
        _section(number, sentence, attention_grid(sentence, words=words))
        for number, sentence in enumerate(sentences, start=1)
    )
    return PageParts(_asset("page.css") + _shades(), _asset("page.js"), maps)


def attention_html(
    translations: Translation | Sequence[Translation],
    *,
    words: bool = True,
    title: str = "Attention",
) -> str:
    """Draws attention as a self-contained page: heat maps with linked sentences.

    The page needs no network and may come from hostile text: everything is escaped,
    and its content security policy allows this page's own style and script, by
    their hashes, and nothing else. Without script it still shows every map.

    Args:
        translations: What to draw, one or several; each sentence of a text has a map
            of its own.
        words: Whether to merge subwords into words; otherwise a row and a column a
            token.
        title: Title and heading of the page.

    Returns:
        The whole document; write it as UTF-8.

    Raises:
        ValueError: If tokens and attention of a translation do not fit together.
    """
    if isinstance(translations, Translation):
        translations = [translations]
    parts = attention_parts(translations, words=words)
    hint = _HINT if parts.maps else "No translations to show."
    body = f'<p class="hint">{hint}</p>\n{parts.maps}'
    return whole_page(title, parts.style, parts.script, body)


def whole_page(title: str, style: str, script: str, body: str) -> str:
    """Returns a document that allows this style and script and loads nothing.

    Args:
        title: Plain text, which is the heading, too.
        style: Style sheet.
        script: Script; it cannot hold `</script>`.
        body: HTML that goes below the heading.
    """
    heading = _escape(title)
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{heading}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1 dir="auto">{heading}</h1>
{body}
</main>
<script>{script}</script>
</body>
</html>
"""


def _section(number: int, translation: Translation, grid: AttentionGrid) -> str:
    """Returns one translation: both sentences, the map, and what must be known."""
    notes = [f'<p class="note">{_escape(note)}</p>' for note in grid.notes]
    if grid.is_blank:
        notes.insert(0, '<p class="note">No attention: every weight is zero.</p>')
    table = "" if grid.is_blank else _table(number, grid)
    score = f"log p = {translation.score:.2f}"
    lines = [
        f'<section class="map" aria-label="Translation {number}">',
        _sentence("source", grid.sources, _partners(grid.targets, grid.weights.T)),
        _sentence("target", grid.targets, _partners(grid.sources, grid.weights)),
        f'<p class="score">{score}</p>',
        table,
        *notes,
        "</section>",
    ]
    return "\n".join(line for line in lines if line)


def _sentence(side, labels, partners):
    words = " ".join(
        f'<button type="button" data-{side}="{index}" '
        f'title="{_escape(partner)}">{_escape(label)}</button>'
        for index, (label, partner) in enumerate(zip(labels, partners, strict=True))
    )
    name = side.capitalize()
    return (
        f'<p class="sentence"><span class="side">{name}</span> '
        f'<span lang="" dir="auto">{words}</span></p>'
    )


def _partners(labels, weights):
    """Says in words what each row looks at most: the map for those who hear it."""
    texts = []
    for row in weights:
        order = sorted(range(len(row)), key=lambda index: -row[index])[:3]
        seen = [f"{labels[i]} {row[i]:.0%}" for i in order if row[i] >= 0.05]
        texts.append(", ".join(seen) or "no weight of 5% or more")
    return texts


def _table(number, grid):
    head = "".join(
        f'<th scope="col" data-source="{index}"><span dir="auto">{_escape(label)}'
        "</span></th>"
        for index, label in enumerate(grid.sources)
    )
    body = "\n".join(
        f'<tr><th scope="row" data-target="{index}" dir="auto">{_escape(label)}</th>'
        f"{''.join(map(_cell, row))}</tr>"
        for index, (label, row) in enumerate(
            zip(grid.targets, grid.weights, strict=True)
        )
    )
    key = f"key-{number}"
    return (
        f'<p class="key" id="{key}">Weights in percent: a row a target word, a column '
        "a source word</p>\n"
        f'<div class="scroll" tabindex="0" role="region" '
        f'aria-label="Attention map {number}">\n<table aria-describedby="{key}">\n'
        f'<thead lang=""><tr><td></td>{head}</tr></thead>\n'
        f'<tbody lang="">\n{body}\n</tbody>\n</table>\n</div>'
    )


def _cell(weight):
    level = int(weight * _LEVELS + 0.5)
    percent = int(weight * 100 + 0.5)
    shown = str(percent) if percent >= 5 else ""
    return f'<td class="w{level}" data-percent="{percent}">{shown}</td>'


def _shades():
    """Returns one class a level; the colours themselves are the style sheet's."""
    rules = []
    for level in range(1, _LEVELS + 1):
        text = "--on-shade" if level >= _LIGHT_TEXT_FROM else "--text"
        rules.append(
            f".w{level}{{background:rgb(var(--shade)/{level / _LEVELS:g});"
            f"color:var({text})}}"
        )
    return "\n".join(rules) + "\n"


def _asset(name):
    folder = resources.files("keras_attn.plotting")
    return (folder / name).read_text(encoding="utf-8")


def _hash(text):
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _escape(text):
    # A lone surrogate cannot be written as UTF-8.
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"), quote=True)
