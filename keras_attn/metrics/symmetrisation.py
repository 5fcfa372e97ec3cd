"""One alignment from two: that of a translator and that of its reverse."""

from collections.abc import Iterable

__all__ = ["SYMMETRISATIONS", "symmetrise"]

Link = tuple[int, int]

SYMMETRISATIONS = ("intersection", "union", "grow-diag", "grow-diag-final")

# Straight neighbours before diagonal ones.
_NEIGHBOURS = (
    (-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1),
)  # fmt: skip


def symmetrise(
    forward: Iterable[Link], backward: Iterable[Link], how: str = "grow-diag-final"
) -> set[Link]:
    """Combines the links of both directions of one sentence pair.

    A direction gives each word of its target one link at most, so it misses that one
    word may stand for many. What both found is almost always right; what either found
    is almost all there is. Growing goes from the first towards the second:

    - `intersection`: links that both have.
    - `union`: links that either has.
    - `grow-diag`: the intersection; then, again and again until nothing changes, each
      link of the union that touches a link already there, also by a corner, and that
      has a source or a target word without a link. Links there are visited in order of
      source then target word, straight neighbours before diagonal ones, and a link
      that is added counts at once.
    - `grow-diag-final`: the same; then each link of `forward`, and after these of
      `backward`, in that order, whose source or target word is still without a link.

    Args:
        forward: Links (source, target) of one direction.
        backward: Links (source, target), in this order too, of the other.
        how: One of the four.

    Returns:
        The links.

    Raises:
        ValueError: If `how` is none of the four.

    Example:

    >>> sorted(symmetrise({(0, 0), (1, 1)}, {(0, 0), (2, 1)}, "grow-diag"))
    [(0, 0), (1, 1), (2, 1)]

    Reference: Och and Ney, 2003, section 3.3; Koehn, Och and Marcu, 2003, "Statistical
    Phrase-Based Translation", section 3.1.
    """
    if how not in SYMMETRISATIONS:
        raise ValueError(
            f"`how` must be one of {', '.join(SYMMETRISATIONS)}. Received: how={how!r}."
        )
    forward, backward = set(forward), set(backward)
    if how == "union":
        return forward | backward
    found = forward & backward
    if how != "intersection":
        _grow(found, forward | backward)
    if how == "grow-diag-final":
        for links in (forward, backward):
            for link in sorted(links):
                _add_if_new(link, found)
    return found


def _grow(found, union):
    grown = True
    while grown:
        grown = False
        for source, target in sorted(found):
            for down, right in _NEIGHBOURS:
                link = (source + down, target + right)
                if link in union and link not in found:
                    grown |= _add_if_new(link, found)


def _add_if_new(link, found):
    """Adds a link one of whose words has none; says whether it did."""
    source_linked = any(source == link[0] for source, _ in found)
    target_linked = any(target == link[1] for _, target in found)
    if source_linked and target_linked:
        return False
    found.add(link)
    return True
