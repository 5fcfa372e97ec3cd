"""A text with markup as segments: plain text, and the pieces taken out of it."""

import dataclasses
import html
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from keras_attn.markup.placeholders import find_matches
from keras_attn.markup.tags import Broken, Syntax, Tag, find_tags
from keras_attn.text.words import word_spans
from keras_attn.translation import utf8

__all__ = ["Element", "Item", "Point", "Segment", "split_markup"]


@dataclasses.dataclass(slots=True)
class Element:
    """A start and an end tag with words between them.

    Attributes:
        parent: Number of the element around it; -1: none.
        opening: The start tag.
        closing: The end tag.
        begin: Where its content begins, in bytes of the plain text.
        end: Where it ends.
        first: Number of the item of its start tag.
        last: That of its end tag.
    """

    parent: int
    opening: str
    closing: str = ""
    begin: int = 0
    end: int = 0
    first: int = 0
    last: int = 0


@dataclasses.dataclass(slots=True)
class Point:
    """What has no words and stands at a point of the text, such as a placeholder.

    Attributes:
        parent: Number of the element around it; -1: none.
        code: Its characters.
        at: Its place, in bytes of the plain text.
        space_before: Whether white space stands before it.
        space_after: Whether white space stands behind it.
        has_space: Whether it separates words itself, as `<br>` and `{name}&nbsp;` do.
        space_edges: Whether it begins and whether it ends with what does.
        joins_left: Whether a letter or digit stands directly before it.
        joins_right: Whether one stands directly behind it.
    """

    parent: int
    code: str
    at: int = 0
    space_before: bool = False
    space_after: bool = False
    has_space: bool = False
    space_edges: tuple[bool, bool] = (False, False)
    joins_left: bool = False
    joins_right: bool = False


class Item(NamedTuple):
    """A part of a segment: `"text"`, `"point"`, `"open"` or `"close"`, and its number.

    The number is that of a point or an element; texts have none.
    """

    kind: str
    number: int = -1


@dataclasses.dataclass(slots=True)
class Segment:
    """A part of a text that is translated by itself.

    Attributes:
        plain: Its text without markup.
        elements: Its elements in the order of their start tags.
        points: Its points in order.
        items: All parts in order.
    """

    plain: str
    elements: list[Element]
    points: list[Point]
    items: list[Item]


_ENTITY_HTML = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,30});")
_ENTITY_XML = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|[^\W\d][\w.\-]*);")
_XML_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}


def split_markup(
    text: str,
    syntax: Syntax | None,
    patterns: Sequence[re.Pattern[str]],
    broken: Broken,
) -> list[str | Segment]:
    """Splits a text into segments and what stands between them as it is.

    Args:
        text: The text.
        syntax: That of its markup; `None`: only placeholders are markup.
        patterns: Expressions of placeholders.
        broken: As in `find_tags`; of ampersands in XML that begin no entity as well.
    """
    tags: list[Tag] = []
    if syntax is not None:
        tags = find_tags(text, syntax, broken)
    separators = _separators(tags, syntax)
    reader = _Reader(text, syntax, patterns, broken)
    parts: list[str | Segment] = []
    position = begin = 0
    for tag, last in _without_untranslated(tags):
        reader.read_text(position, tag.begin)
        position = last.end
        if tag in separators:
            parts += [*reader.segment(begin, tag.begin), text[tag.begin : position]]
            begin = position
        elif last is not tag or tag.partner is None:
            is_space = tag.name == "br"
            reader.parts.append(_point(tag.begin, position, is_space))
        else:
            kind = "close" if tag.is_end else "open"
            reader.parts.append(_Part(kind, tag.begin, tag.end))
    reader.read_text(position, len(text))
    return [*parts, *reader.segment(begin, len(text))]


def _without_untranslated(tags: Sequence[Tag]) -> Iterator[tuple[Tag, Tag]]:
    """Yields tags, those of untranslated elements with their end tags as one."""
    last: Tag | None = None
    for tag in tags:
        if last is None:
            if tag.is_untranslated and tag.partner is not None:
                last = tag.partner
            yield tag, last or tag
        elif tag is last:
            last = None


def _separators(tags: Sequence[Tag], syntax: Syntax | None) -> set[Tag]:
    """Returns the tags that separate segments: those of blocks, and all around one."""
    separators: set[Tag] = set()
    around: list[Tag] = []
    for tag, last in _without_untranslated(tags):
        if tag.is_end:
            around.pop()
            continue
        if syntax is not None and tag.name in syntax.blocks:
            for outer in (tag, *reversed(around)):
                if outer in separators:
                    break
                separators.update((outer, outer.partner or outer))
        if last is tag and tag.partner is not None:
            around.append(tag)
    return separators


class _Part(NamedTuple):
    """A part of a segment as it stands in the text."""

    kind: str
    begin: int
    end: int
    value: str = ""  # a text without entities
    has_space: bool = False
    space_edges: tuple[bool, bool] = (False, False)


def _point(begin, end, is_space):
    return _Part("point", begin, end, "", is_space, (is_space, is_space))


class _Reader:
    """Collects the parts of a segment."""

    def __init__(self, text, syntax, patterns, broken):
        self.text = text
        self.syntax = syntax
        self.broken = broken
        self.patterns = list(patterns)
        if syntax is not None:
            entity = _ENTITY_HTML if syntax.is_html else _ENTITY_XML
            self.patterns.append(entity)
        self.parts: list[_Part] = []

    def read_text(self, begin, end):
        """Adds a part of the text that has no tags."""
        position, values = begin, []
        entity = None if self.syntax is None else len(self.patterns) - 1
        for first, stop, number in find_matches(self.patterns, self.text, begin, end):
            values.append(self._unescaped(position, first))
            position = stop
            if number == entity:
                value = self._entity(first, stop)
                if value is not None and not value.isspace():
                    values.append(value)
                    continue
            self._add_text(begin, first, "".join(values))
            begin, values = stop, []
            is_space = number == entity and value is not None
            self.parts.append(_point(first, stop, is_space))
        values.append(self._unescaped(position, end))
        self._add_text(begin, end, "".join(values))

    def _add_text(self, begin, end, value):
        if value:
            self.parts.append(_Part("text", begin, end, value))

    def _unescaped(self, begin, end):
        """Returns a part of the text that has no entities."""
        part = self.text[begin:end]
        if self.syntax is None:
            return part
        if self.syntax.is_html:
            return html.unescape(part)  # `&amp`, too, which browsers read as `&`
        at = part.find("&")
        while at >= 0:
            self.broken(begin + at, "an `&` that begins no entity")
            at = part.find("&", at + 1)
        return part

    def _entity(self, begin, end):
        """Returns the character of an entity; `None` if XML does not define it."""
        code = self.text[begin:end]
        if self.syntax.is_html or code.startswith("&#"):
            return html.unescape(code)
        return _XML_ENTITIES.get(code)

    def segment(self, begin, end):
        """Returns the segment and the white space around it, and begins the next."""
        parts, self.parts = self.parts, []
        if not any(part.kind == "text" and _has_words(part.value) for part in parts):
            return [self.text[begin:end]]
        part = self.text[begin:end]
        before = part[: len(part) - len(part.lstrip())]
        after = part[len(part.rstrip()) :]
        return [before, _build(self.text, _without_empty(parts)), after]


def _has_words(text):
    return not text.isspace() and bool(word_spans(text))


def _without_empty(parts):
    """Returns the parts with one point for what stands together without words.

    These are elements without words, and successive points.
    """
    reduced: list[_Part] = []
    opened: list[int] = []  # places in `reduced` of start tags
    with_words = [False]  # for each of them, and the segment
    for part in parts:
        if part.kind == "open":
            opened.append(len(reduced))
            with_words.append(False)
            reduced.append(part)
        elif part.kind == "close":
            place, has_words = opened.pop(), with_words.pop()
            if has_words:
                with_words[-1] = True
                reduced.append(part)
            else:
                inner = reduced[place:]
                del reduced[place:]
                _append_point(reduced, _joined([*inner, part]))
        elif part.kind == "text":
            with_words[-1] |= _has_words(part.value)
            reduced.append(part)
        else:
            _append_point(reduced, part)
    return reduced


def _append_point(reduced, point):
    """Adds a point, joined with one that only white space separates from it."""
    count = 1 if reduced and reduced[-1].kind == "text" else 0
    is_blank = count == 0 or not _has_words(reduced[-1].value)
    if is_blank and len(reduced) > count and reduced[-1 - count].kind == "point":
        point = _joined([*reduced[-1 - count :], point])
        del reduced[-1 - count :]
    reduced.append(point)


def _joined(parts):
    """Returns one point for parts without words."""
    points = [part for part in parts if part.kind == "point"]
    begin, end = parts[0].begin, parts[-1].end
    has_space = any(any(map(str.isspace, part.value)) for part in parts)
    if not points:  # such as `<b> </b>`
        return _point(begin, end, has_space)
    has_space |= any(part.has_space for part in points)
    edges = points[0].space_edges[0], points[-1].space_edges[1]
    return _Part("point", begin, end, "", has_space, edges)


def _build(text, parts):
    """Returns a segment: joins the texts and numbers elements and points."""
    segment = Segment("", [], [], [])
    plain = _PlainText()
    parents = [-1]
    for part in parts:
        code = text[part.begin : part.end]
        if part.kind == "text":
            segment.items.append(Item("text"))
            plain.add_text(part.value)
        elif part.kind == "open":
            number = len(segment.elements)
            segment.items.append(Item("open", number))
            segment.elements.append(
                Element(parents[-1], code, begin=plain.size, first=len(segment.items))
            )
            parents.append(number)
        elif part.kind == "close":
            number = parents.pop()
            segment.items.append(Item("close", number))
            element = segment.elements[number]
            element.closing, element.end = code, plain.size
            element.last = len(segment.items)
        else:
            segment.items.append(Item("point", len(segment.points)))
            point = Point(parents[-1], code)
            point.has_space, point.space_edges = part.has_space, part.space_edges
            segment.points.append(point)
            plain.add_point(point)
    segment.plain = "".join(plain.parts)
    return segment


class _PlainText:
    """The text of a segment, from which points are taken out with a space each."""

    def __init__(self):
        self.parts: list[str] = []
        self.size = 0  # bytes
        self._last = " "  # character
        self._space = ""  # since the last character that is none
        self._points: list[Point] = []  # since then
        self._space_before = ""  # the first of these points

    def add_text(self, text):
        core = text.strip()
        if not core:
            self._add_space(text)
            return
        begin = text.index(core)
        self._add_space(text[:begin])
        self._append(self._separator(core[0]) + core)
        self._last, self._points = core[-1], []
        self._space = text[begin + len(core) :]

    def add_point(self, point):
        point.at = self.size
        point.space_before = bool(self._space)
        point.joins_left = not self._space and self._last.isalnum()
        if not self._points:
            self._space_before = self._space
        self._points.append(point)
        self._space = ""

    def _add_space(self, text):
        self._space += text
        if text and self._points:
            self._points[-1].space_after = True

    def _separator(self, following):
        """Returns what stands between the last character and the following one."""
        if not self.parts:
            space = ""
        elif not self._points:
            return self._space
        elif self._space_before and self._space:
            space = self._space_before
        elif self._space_before:
            # "Hello {name}!" becomes "Hello!".
            space = self._space_before if following.isalnum() else ""
        elif self._space:
            space = self._space if self._last.isalnum() else ""
        else:
            is_space = any(point.has_space for point in self._points)
            is_space |= any(point.space_before for point in self._points[1:])
            space = " " if is_space else ""
        if self._points:
            last = self._points[-1]
            last.joins_right = not last.space_after and following.isalnum()
        return space

    def _append(self, text):
        self.parts.append(text)
        self.size += len(utf8(text))
