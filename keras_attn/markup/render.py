"""A translation with the pieces of its source put back."""

import dataclasses
import html
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from keras_attn.markup.segments import Element, Segment
from keras_attn.markup.spans import Links, Place, PointPlacer, place_elements
from keras_attn.translation import utf8

__all__ = ["render"]


class _Loose(NamedTuple):
    """What stands between words, and how."""

    place: Place
    order: int  # in the source
    code: str
    space_before: bool = True
    space_after: bool = True
    has_space: bool = False
    space_edges: tuple[bool, bool] = (False, False)
    is_visible: bool = True


def render(
    segment: Segment,
    text: str,
    words: Sequence[tuple[int, int]],
    links: Links,
    *,
    escape: bool,
) -> str:
    """Returns a translation with the pieces of its segment.

    Args:
        segment: The segment.
        text: Its translation.
        words: `(begin, end)` of each word of it, in bytes.
        links: Links of its words and those of the segment.
        escape: Whether `&`, `<` and `>` of the translation become entities.
    """
    spans = place_elements(segment.elements, links)
    loose = _loose_pieces(segment, spans, links)
    writer = _Writer(text, words, escape)
    for kind, value in _walk(segment.elements, spans, loose, len(words)):
        if kind == "word":
            writer.add_word(value)
        else:
            writer.held.append((kind, value))
    return writer.finish()


def _loose_pieces(segment, spans, links):
    """Returns points, and elements that enclose no words, by element around them."""
    placer = PointPlacer(segment.elements, spans, links)
    pieces: dict[int, list[_Loose]] = {}
    row = 0
    while row < len(segment.items):
        kind, number = segment.items[row]
        row += 1
        if kind == "point":
            point = segment.points[number]
            parent = point.parent
            side = "right" if point.joins_right and not point.joins_left else "left"
            piece = _Loose(
                placer.place(parent, point.at, point.at, side),
                row, point.code, point.space_before, point.space_after,
                point.has_space, point.space_edges,
            )  # fmt: skip
        elif kind == "open" and spans[number] is None:
            element = segment.elements[number]
            parent = element.parent
            place = placer.place(parent, element.begin, element.end, "left")
            code, has_points = _without_text(segment, element)
            place = dataclasses.replace(place, is_adjacent=False)
            piece = _Loose(place, row, code, is_visible=has_points)
            row = element.last
        else:
            continue
        pieces.setdefault(parent, []).append(piece)
    return pieces


def _without_text(segment: Segment, element: Element) -> tuple[str, bool]:
    """Returns the tags and points of an element, and whether there are points.

    A space stands for each text between points.
    """
    codes: list[str] = []
    space = False  # whether text stands behind the last point
    after_point = False
    for kind, number in segment.items[element.first - 1 : element.last]:
        if kind == "text":
            space = after_point
        elif kind == "point":
            codes += [" "] * space + [segment.points[number].code]
            space, after_point = False, True
        elif kind == "open":
            codes.append(segment.elements[number].opening)
        else:
            codes.append(segment.elements[number].closing)
    return "".join(codes), after_point


def _walk(elements, spans, loose, count) -> Iterator[tuple[str, object]]:
    """Yields words, tags and loose pieces in the order of the translation."""
    inside: dict[int, list[tuple[int, int, int, int]]] = {}
    for number, span in enumerate(spans):
        if span is not None:
            content = inside.setdefault(elements[number].parent, [])
            content.append((span[0], 2, 0, number))
    for parent, pieces in loose.items():
        content = inside.setdefault(parent, [])
        for row, piece in enumerate(pieces):
            side = 0 if piece.place.side == "left" else 1
            content.append((piece.place.boundary, side, piece.order, row))
    for content in inside.values():
        content.sort(reverse=True)
    word = 0
    around = [-1]
    while around:
        parent = around[-1]
        content = inside.get(parent, [])
        if not content:
            stop = count if parent < 0 else spans[parent][1]
            yield from (("word", number) for number in range(word, stop))
            word = max(word, stop)
            around.pop()
            if parent >= 0:
                yield "close", elements[parent].closing
            continue
        boundary, kind, _, number = content.pop()
        yield from (("word", word) for word in range(word, boundary))
        word = max(word, boundary)
        if kind == 2:
            yield "open", elements[number].opening
            around.append(number)
        else:
            piece = loose[parent][number]
            if piece.is_visible:
                yield "point", piece
            else:  # tags without anything between them
                yield ("open" if kind else "close"), piece.code


class _Writer:
    """Writes the words of a translation and what stands between them."""

    def __init__(self, text, words, escape):
        self._text = utf8(text)
        self._words = words
        self._escape = escape
        self._position = 0  # in the text
        self._last = ""  # character of a word
        self._codes: list[str] = []
        self.held: list[tuple[str, object]] = []  # since the last word

    def add_word(self, number):
        begin, end = self._words[number]
        gap, word = self._take(begin), self._take(end)
        self._add_held(gap, word[:1], is_first=number == 0)
        self._codes.append(word)
        self._last = word[-1:]

    def finish(self):
        rest = self._take(len(self._text))
        if self._words:
            self._add_held("", "", is_last=True)
        else:
            self._add_held("", "", is_first=True, is_last=True)
        return "".join([*self._codes, rest])

    def _take(self, end):
        """Returns the text up to a byte."""
        text = self._text[self._position : end].decode("utf-8", "replace")
        self._position = end
        return html.escape(text, quote=False) if self._escape else text

    def _add_held(self, gap, following_character, *, is_first=False, is_last=False):
        """Writes what was held between two words, and `gap`, the text between them.

        Spaces stand behind end tags and before start tags.
        """
        if is_first:
            self._codes.append(gap)
            gap = ""
        gap_is_space = any(map(str.isspace, gap))
        sides = self._last, following_character
        replaces_gap = False
        previous: _Loose | None = None
        starts: list[str] = []
        for kind, value in [*self.held, ("end", None)]:
            if kind == "close":
                self._codes.append(value)
                continue
            if kind == "open":
                starts.append(value)
                continue
            following = value if kind == "point" else None
            replaces_gap |= following is not None and following.has_space
            is_edge = (previous is None and is_first) or (following is None and is_last)
            if not is_edge and _is_space(previous, following, gap_is_space, sides):
                self._codes.append(gap or " ")
                gap = ""
            elif following is None and not (replaces_gap and gap_is_space):
                self._codes.append(gap)
            self._codes += starts
            starts = []
            if following is not None:
                self._codes.append(following.code)
            previous = following
        self.held = []


def _is_space(previous, following, gap_is_space, sides):
    """Tells whether a space stands between two pieces; `None` stands for a word.

    `sides` are the characters of words before and behind all pieces.
    """
    if previous is not None and following is not None:
        return previous.space_after or following.space_before
    if previous is following:
        return gap_is_space
    if previous is None:
        if _keeps(following, "left"):
            return following.space_before
        return gap_is_space or sides[0].isalnum()
    if _keeps(previous, "right"):
        return previous.space_after
    return gap_is_space or sides[1].isalnum()


def _keeps(piece, side):
    """Tells whether a piece has the white space of the source on a side."""
    is_space = piece.space_edges[0 if side == "left" else 1]
    return is_space or (piece.place.is_adjacent and piece.place.side == side)
