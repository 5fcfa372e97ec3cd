"""Where the pieces of a segment stand in its translation."""

import bisect
import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_attn.markup.segments import Element

__all__ = ["Links", "Place", "PointPlacer", "place_elements"]


# What a word of others counts in a span, beside a word of its own. At 0 one wrong link
# makes a tag enclose half a sentence. At 1 tags lose words where the words of a German
# verb stand apart. In between, most tags are right with links of 3 to 9 % errors.
_FOREIGN = 0.25


@dataclasses.dataclass(frozen=True, slots=True)
class Links:
    """Links between the words of a text and its translation, in order of the source.

    Attributes:
        source: `(L,)` int64, numbers of source words.
        target: `(L,)` int64, numbers of target words.
        weight: `(L,)` float64.
        is_best: `(L,)` booleans: the links that count. The others are weaker ones, for
            source words without any.
        source_begin: `(S,)` int64, first byte of each source word.
        source_end: `(S,)` int64, one past its last byte.
        target_count: Number of target words.
    """

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    is_best: np.ndarray
    source_begin: np.ndarray
    source_end: np.ndarray
    target_count: int

    def word_range(self, begin: int, end: int) -> tuple[int, int]:
        """Returns first and stop of the source words with bytes in a range."""
        first = int(np.searchsorted(self.source_end, begin, side="right"))
        stop = int(np.searchsorted(self.source_begin, end, side="left"))
        return first, max(first, stop)


def place_elements(
    elements: Sequence[Element], links: Links
) -> list[tuple[int, int] | None]:
    """Returns the target words that each element encloses; `None`: it has none.

    An element encloses the contiguous words in which the weight of links from its own
    source words exceeds that of links from other words the most: all words that
    translate its own ones, unless too many others stand between them. Elements inside
    of one another enclose spans inside of one another; spans of others do not overlap:
    the element with more links chooses first.

    Args:
        elements: The elements of a segment.
        links: The links of its translation.
    """
    owners = np.full(links.target_count, -1)  # number of the innermost element
    totals = np.zeros(links.target_count)
    weights = np.where(links.is_best, links.weight, 0.0)
    np.add.at(totals, links.target, weights)
    before = np.concatenate([[0.0], np.cumsum(totals)])  # (T + 1,)
    weight_before = np.concatenate([[0.0], np.cumsum(weights)])
    ranges = [links.word_range(element.begin, element.end) for element in elements]
    bounds = np.searchsorted(links.source, np.array(ranges).reshape(-1, 2)).tolist()
    depths: list[int] = []
    for element in elements:
        depths.append(0 if element.parent < 0 else depths[element.parent] + 1)
    order = sorted(
        range(len(elements)),
        key=lambda i: (
            depths[i],
            weight_before[bounds[i][0]] - weight_before[bounds[i][1]],
            i,
        ),
    )
    all_words = (0, len(links.source_begin))
    spans: list[tuple[int, int] | None] = [None] * len(elements)
    for number in order:
        parent = elements[number].parent
        outer = (0, links.target_count) if parent < 0 else spans[parent]
        if outer is None or outer[0] == outer[1]:
            continue
        if ranges[number] == (all_words if parent < 0 else ranges[parent]):
            # It has all words of its parent, so that it encloses those without links.
            span = outer if (owners[slice(*outer)] == parent).all() else None
        else:
            own = np.arange(*bounds[number])
            own = own[owners[links.target[own]] == parent]
            span = _best_span(
                links.target[own], weights[own], before, owners, parent
            ) or _likeliest(links.target[own], links.weight[own])
        if span is not None:
            spans[number] = span
            owners[slice(*span)] = number
    return spans


def _likeliest(targets, weights):
    """Returns the span of the word with the largest weight; `None` if there is none."""
    if not len(targets):
        return None
    first = int(targets[np.argmax(weights)])
    return first, first + 1


def _best_span(targets, weights, before, owners, parent):
    """Returns the span with the most weight of own words, less some of others."""
    is_best = weights > 0
    if not is_best.any():
        return None
    positions, places = np.unique(targets[is_best], return_inverse=True)
    weights = np.bincount(places, weights[is_best], len(positions))
    first, stop = positions[0], positions[-1] + 1
    # No span contains words of an element that has been placed, which cost too much.
    taken = np.cumsum(owners[first:stop] != parent)
    cost = taken[positions - first] * (2 * weights.sum() + before[-1] + 1)
    cost = cost + _FOREIGN * before[positions]
    # An own word counts as foreign too, in `before`: that is made up for.
    own = (1 + _FOREIGN) * np.cumsum(weights)
    left = cost - own + (1 + _FOREIGN) * weights
    gains = own - cost - _FOREIGN * (before[positions + 1] - before[positions])
    gains += np.maximum.accumulate(left)
    end = len(gains) - 1 - int(np.argmax(gains[::-1]))
    begin = int(np.argmax(left[: end + 1]))
    return int(positions[begin]), int(positions[end]) + 1


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """The place of a point in a translation.

    Attributes:
        boundary: Number of target words before it.
        side: `"left"` where it follows the translation of a word before it, `"right"`
            where it precedes that of a word behind it.
        is_adjacent: Whether it is next to that word in the source: then it keeps the
            white space of the source on that side.
    """

    boundary: int
    side: str
    is_adjacent: bool = False


class PointPlacer:
    """Finds the places of what has no words of its own in the translation.

    Args:
        elements: The elements of a segment.
        spans: The result of `place_elements`.
        links: The links of its translation.
    """

    def __init__(
        self,
        elements: Sequence[Element],
        spans: Sequence[tuple[int, int] | None],
        links: Links,
    ):
        self._elements = elements
        self._spans = spans
        self._links = links
        sources, targets = links.source[links.is_best], links.target[links.is_best]
        by_source = np.lexsort((targets, sources))
        self._targets = targets[by_source]
        count = len(links.source_begin)
        self._rows = np.searchsorted(sources[by_source], np.arange(count + 1)).tolist()
        self._linked = np.unique(sources).tolist()  # source words with target words
        self._inside: dict[int, list[tuple[int, int, int]]] = {}
        for number, span in enumerate(spans):
            if span is not None:
                siblings = self._inside.setdefault(elements[number].parent, [])
                siblings.append((*span, number))
        for siblings in self._inside.values():
            siblings.sort()

    def place(self, parent: int, begin: int, end: int, side: str) -> Place:
        """Returns the place for what stands in an element.

        It follows the translation of the nearest word before it, or precedes that of
        the nearest word behind it.

        Args:
            parent: Number of the element; -1: none.
            begin: Its first byte in the plain text.
            end: One past its last byte.
            side: `"left"` or `"right"`: the side that is preferred where both words are
                as near.

        Raises:
            ValueError: If the element encloses no words.
        """
        links = self._links
        outer: tuple[int, int] | None = (0, links.target_count)
        first, stop = 0, len(links.source_begin)
        if parent >= 0:
            element, outer = self._elements[parent], self._spans[parent]
            first, stop = links.word_range(element.begin, element.end)
        if outer is None:
            raise ValueError(f"Element {parent} encloses no words.")
        left = int(np.searchsorted(links.source_end, begin, side="right"))
        # A word that it stands in counts as one before it.
        left += int(left < stop and links.source_begin[left] < begin)
        right = max(left, int(np.searchsorted(links.source_begin, end)))
        before = self._nearest(left - 1, -1, first, outer)
        behind = self._nearest(right, 1, stop - 1, outer)
        if before is None and behind is None:
            at_beginning = left <= first < stop
            place = (
                Place(outer[0], "right") if at_beginning else Place(outer[1], "left")
            )
        elif behind is None or (
            before is not None
            and (left - 1 - before[0], side != "left")
            <= (behind[0] - right, side != "right")
        ):
            place = Place(before[2] + 1, "left", before[0] == left - 1)
        else:
            place = Place(behind[1], "right", behind[0] == right)
        return self._outside(parent, place, begin)

    def _nearest(self, word, step, last, outer):
        """Returns the nearest linked source word, its first and last target word.

        Only target words inside of the span `outer` count.
        """
        at = bisect.bisect_left(self._linked, word + (step < 0))
        at -= step < 0
        while 0 <= at < len(self._linked) and (last - self._linked[at]) * step >= 0:
            word = self._linked[at]
            targets = self._targets[self._rows[word] : self._rows[word + 1]]
            targets = targets[(targets >= outer[0]) & (targets < outer[1])]
            if len(targets):
                return word, int(targets[0]), int(targets[-1])
            at += step
        return None

    def _outside(self, parent, place, begin):
        """Returns the place, or the nearest one that is not inside of an element."""
        siblings = self._inside.get(parent, [])
        at = bisect.bisect_left(siblings, (place.boundary,)) - 1
        if at < 0 or place.boundary >= siblings[at][1]:
            return place
        first, stop, number = siblings[at]
        if self._elements[number].begin < begin:
            return Place(stop, "left", place.is_adjacent and place.side == "left")
        return Place(first, "right", place.is_adjacent and place.side == "right")
