"""Tags of HTML and XML in a text: where each is, and which ones belong together.

A tokeniser of our own, since what is taken out must come back byte for byte and errors
name a position: `html.parser` gives neither the end of an end tag nor an error.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Collection

__all__ = ["HTML", "XML", "Syntax", "Tag", "find_tags"]


@dataclasses.dataclass(frozen=True, slots=True)
class Syntax:
    """What the names of tags mean.

    Attributes:
        is_html: Whether names ignore case, and attributes may lack quotes.
        void: Tags that have no end tag.
        raw: Tags between which nothing is markup, such as `<script>`.
        blocks: Tags that separate texts, such as `<p>`.
        untranslated: Tags whose content stays as it is, such as `<code>`.
    """

    is_html: bool
    void: Collection[str] = ()
    raw: Collection[str] = ()
    blocks: Collection[str] = ()
    untranslated: Collection[str] = ()


def _names(text):
    return frozenset(text.split())


# https://html.spec.whatwg.org/multipage/syntax.html#void-elements, and the elements
# that browsers show as blocks: section 15.3 of the same.
HTML = Syntax(
    is_html=True,
    void=_names("area base br col embed hr img input link meta param source track wbr"),
    raw=_names("script style textarea"),
    blocks=_names(
        "address article aside blockquote body caption center dd details dialog dir "
        "div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head "
        "header hgroup hr html legend li main menu nav ol optgroup option p pre "
        "section select summary table tbody td tfoot th thead title tr ul"
    ),
    untranslated=_names("code kbd math pre samp svg template var"),
)
XML = Syntax(is_html=False)


@dataclasses.dataclass(slots=True, eq=False)
class Tag:
    """A tag of a text.

    Attributes:
        name: Its name, in small letters in HTML; `""` for comments and the like.
        begin: Offset of its `<`.
        end: One past its last character.
        partner: The end tag of a start tag, and the start tag of an end tag; `None` for
            tags that stand alone.
        is_end: Whether it is an end tag.
        is_untranslated: Whether what it encloses stays as it is.
    """

    name: str
    begin: int
    end: int
    partner: "Tag | None" = None
    is_end: bool = False
    is_untranslated: bool = False


_NAME = r"[^\W\d][\w:.\-]*"
_START = re.compile(
    rf"<({_NAME})"
    r"((?:\s+[^\s\"'<>/=]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+))?)*)"
    r"\s*(/?)>"
)
_START_XML = re.compile(
    rf"<({_NAME})((?:\s+[^\s\"'<>/=]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*(/?)>"
)
_END = re.compile(rf"</({_NAME})\s*>")
_UNTRANSLATED = re.compile(r"\stranslate\s*=\s*[\"']?no\b", re.IGNORECASE)
# How what is no element begins and ends.
_OTHER = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>", "<!": ">"}

Broken = Callable[[int, str], None]


def find_tags(text: str, syntax: Syntax, broken: Broken) -> list[Tag]:
    """Returns the tags of a text in order, start and end tags paired.

    Args:
        text: The text.
        syntax: What the names of tags mean.
        broken: Called with the offset and a description of each `<` that begins no tag
            and each tag without its other half. If it returns, that is text.
    """
    tags: list[Tag] = []
    unclosed: list[Tag] = []
    names: Counter[str] = Counter()  # of the unclosed ones
    dropped: set[Tag] = set()
    missing: set[str] = set()  # ends that do not occur in the rest of the text
    begin = text.find("<")
    while begin >= 0:
        tag, is_alone = _tag_at(text, begin, syntax, missing)
        if tag is None:
            broken(begin, "a `<` that begins no tag")
            begin = text.find("<", begin + 1)
            continue
        if tag.is_end:
            _close(tag, text, unclosed, names, dropped, broken)
        elif not is_alone:
            unclosed.append(tag)
            names[tag.name] += 1
        tags.append(tag)
        begin = text.find("<", tag.end)
    for tag in unclosed:
        broken(tag.begin, f"{_code(text, tag)}, which is never closed")
    dropped.update(unclosed)
    return [tag for tag in tags if tag not in dropped]


def _tag_at(text, begin, syntax, missing):
    """Returns the tag that begins at an offset, or `None`, and whether it is alone."""
    if text.startswith(("<!", "<?"), begin):
        opening = next(o for o in _OTHER if text.startswith(o, begin))
        closing = re.escape(_OTHER[opening])
        end = _find_end(text, closing, begin + len(opening), missing)
        return (None if end < 0 else Tag("", begin, end)), True
    if text.startswith("</", begin):
        match = _END.match(text, begin)
        if match is None:
            return None, False
        return Tag(_name(match, syntax), *match.span(), is_end=True), False
    match = (_START if syntax.is_html else _START_XML).match(text, begin)
    if match is None:
        return None, False
    name = _name(match, syntax)
    tag = Tag(name, *match.span())
    tag.is_untranslated = name in syntax.untranslated or bool(
        _UNTRANSLATED.search(match[2])
    )
    if match[3] or name in syntax.void:
        return tag, True
    if name in syntax.raw:
        # Tag and content are one: there are no tags in it.
        tag.end = _find_end(text, rf"</{name}\s*>", tag.end, missing)
        return (None if tag.end < 0 else tag), True
    return tag, False


def _name(match, syntax):
    return match[1].lower() if syntax.is_html else match[1]


def _find_end(text, closing, begin, missing):
    """Returns the offset behind the next match of an expression, or -1.

    What is missing once is searched no more: a text of nothing but `<!--` would take
    the square of its length.
    """
    if closing in missing:
        return -1
    match = re.compile(closing, re.IGNORECASE).search(text, begin)
    if match is None:
        missing.add(closing)
        return -1
    return match.end()


def _close(tag, text, unclosed, names, dropped, broken):
    """Pairs an end tag; drops it if it ends nothing, and what it leaves unclosed."""
    if not names[tag.name]:
        broken(tag.begin, f"{_code(text, tag)}, which closes nothing")
        dropped.add(tag)
        return
    while (start := unclosed.pop()).name != tag.name:
        broken(
            tag.begin,
            f"{_code(text, tag)}, before which {_code(text, start)} must be closed",
        )
        dropped.add(start)
        names[start.name] -= 1
    names[tag.name] -= 1
    start.partner, tag.partner = tag, start


def _code(text, tag):
    code = text[tag.begin : tag.end]
    return f"`{code if len(code) <= 60 else code[:57] + '...'}`"
