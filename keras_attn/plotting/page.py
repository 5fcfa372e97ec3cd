"""Attention and alignment as one HTML page that loads nothing, from nowhere."""

import base64
import dataclasses
import hashlib
import html
from collections.abc import Sequence
from importlib import resources

from keras_attn.plotting.grid import (
    attention_grid,
    choose_map,
    map_names,
    sentences_to_draw,
)
from keras_attn.translation import Translation

__all__ = ["attention_html", "attention_parts", "whole_page"]

_LEVELS = 20  # shades of a cell: styles are classes, since the policy bans attributes
_LIGHT_TEXT_FROM = 12  # level from which dark text on the cell would be hard to read
_HINT = (
    "Point at a word, or move to it with Tab, to see where the model looked while it "
    "wrote that word, or which words it wrote while looking there."
)
_HINT_OF_TWO_MAPS = (
    "Point at a word, or move to it with Tab, to see its partners in the other "
    "sentence."
)
_MAP_TITLES = {"alignment": "What it translates", "attention": "Where it looked"}
_DIFFERENCE = (
    "Alignment: the source words that a word translates. Attention: where the model "
    "looked before it chose that word."
)
_KEYS = {
    "attention": "Weights in percent: a row a target word, a column a source word",
    "alignment": "Probabilities in percent: a row a target word, a column a source "
    "word; linked words have a frame",
}


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
    translations: Sequence[Translation], *, words: bool = True, show: str | None = None
) -> PageParts:
    """Draws attention for a page that shows other things, too; see `attention_html`.

    Args:
        translations: What to draw, each sentence of a text in a map of its own.
        words: Whether to merge subwords into words.
        show: The map that is seen first, of translations with an alignment.

    Raises:
        ValueError: If tokens and weights of a translation do not fit together, or
            `show` names no map of it.
    """
    sentences = [
        part
        for translation in translations
        for part in sentences_to_draw(translation, show)
    ]
    maps = "\n".join(
        _section(number, sentence, words, show)
        for number, sentence in enumerate(sentences, start=1)
    )
    return PageParts(_asset("page.css") + _shades(), _asset("page.js"), maps)


def attention_html(
    translations: Translation | Sequence[Translation],
    *,
    words: bool = True,
    title: str = "Attention",
    show: str | None = None,
) -> str:
    """Draws attention as a self-contained page: heat maps with linked sentences.

    A translation with an alignment has both maps, with a choice between them, and
    lines between the words that are linked (`Translation.links`).

    The page needs no network and may come from hostile text: everything is escaped,
    and its content security policy allows this page's own style and script, by
    their hashes, and nothing else. Without script it still shows every map.

    Args:
        translations: What to draw, one or several; each sentence of a text has a map
            of its own.
        words: Whether to merge subwords into words; otherwise a row and a column a
            token.
        title: Title and heading of the page.
        show: The map that is seen first, of translations with an alignment:
            `"attention"`: where the decoder looked; `"alignment"`: what each word
            translates; `None`: the alignment if the translation has one.

    Returns:
        The whole document; write it as UTF-8.

    Raises:
        ValueError: If tokens and weights of a translation do not fit together, or
            `show` names no map of it.
    """
    if isinstance(translations, Translation):
        translations = [translations]
    parts = attention_parts(translations, words=words, show=show)
    if not translations:
        hint = "No translations to show."
    elif any(len(map_names(translation)) > 1 for translation in translations):
        hint = _HINT_OF_TWO_MAPS
    else:
        hint = _HINT
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


def _section(number: int, translation: Translation, words: bool, show) -> str:
    """Returns one translation: its maps, and what must be known."""
    names = map_names(translation)
    views = {name: _view(number, translation, words, name) for name in names}
    lines = [f'<section class="map" aria-label="Translation {number}">']
    if len(names) == 1:
        lines.append(views["attention"])
    else:
        lines.append(_choice(number, choose_map(translation, show)))
        lines += [
            f'<div class="view" data-show="{name}" role="group" '
            f'aria-label="{_MAP_TITLES[name]}">\n{view}\n</div>'
            for name, view in views.items()
        ]
    notes = attention_grid(translation, words=words, show="attention").notes
    lines += [f'<p class="note">{_escape(note)}</p>' for note in notes]
    return "\n".join([*lines, "</section>"])


def _choice(number, shown):
    """Returns radio buttons, which choose a map by the style sheet alone."""
    buttons = "\n".join(
        f'<label><input type="radio" name="map-{number}" value="{name}"'
        f"{' checked' * (name == shown)}><span>{title}</span></label>"
        for name, title in _MAP_TITLES.items()
    )
    return (
        f'<div class="choice" role="radiogroup" aria-label="Map" '
        f'aria-describedby="difference-{number}">\n{buttons}\n</div>\n'
        f'<p class="key" id="difference-{number}">{_DIFFERENCE}</p>'
    )


def _view(number, translation, words, show):
    """Returns both sentences and one map of theirs."""
    grid = attention_grid(translation, words=words, show=show)
    links = []
    if show == "alignment":
        unit = "words" if words else "tokens"
        links = [(link.target, link.source) for link in translation.links(unit=unit)]
    sentences = [
        _sentence("source", grid.sources, _partners(grid.targets, grid.weights.T)),
        _sentence("target", grid.targets, _partners(grid.sources, grid.weights)),
    ]
    if show == "alignment":
        sentences = [
            '<div class="linked">',
            *sentences,
            _lines(grid.weights, links),
            "</div>",
        ]
    if grid.is_blank:
        table = '<p class="note">No attention: every weight is zero.</p>'
    else:
        table = _table(number, grid, show, set(links))
    score = f'<p class="score">log p = {translation.score:.2f}</p>'
    return "\n".join([*sentences, score, table])


def _lines(weights, links):
    """Returns a line for each link; the script, which can measure, places them."""
    paths = "".join(
        f'<path data-source="{source}" data-target="{target}" '
        f'stroke-opacity="{_percent(weights[target, source])}%"></path>'
        for target, source in links
    )
    return f'<svg width="1" height="1" aria-hidden="true">{paths}</svg>'


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


def _table(number, grid, show, links):
    head = "".join(
        f'<th scope="col" data-source="{index}"><span dir="auto">{_escape(label)}'
        "</span></th>"
        for index, label in enumerate(grid.sources)
    )
    body = "\n".join(
        f'<tr><th scope="row" data-target="{target}" dir="auto">{_escape(label)}</th>'
        + "".join(
            _cell(weight, (target, source) in links)
            for source, weight in enumerate(row)
        )
        + "</tr>"
        for target, (label, row) in enumerate(
            zip(grid.targets, grid.weights, strict=True)
        )
    )
    key = f"key-{number}" if show == "attention" else f"{show}-key-{number}"
    return (
        f'<p class="key" id="{key}">{_KEYS[show]}</p>\n'
        f'<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{show.capitalize()} map {number}">\n'
        f'<table aria-describedby="{key}">\n'
        f'<thead lang=""><tr><td></td>{head}</tr></thead>\n'
        f'<tbody lang="">\n{body}\n</tbody>\n</table>\n</div>'
    )


def _cell(weight, is_link):
    level = int(weight * _LEVELS + 0.5)
    percent = _percent(weight)
    shown = str(percent) if percent >= 5 else ""
    link = ' data-link=""' * is_link
    return f'<td class="w{level}" data-percent="{percent}"{link}>{shown}</td>'


def _percent(weight):
    return int(weight * 100 + 0.5)


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
