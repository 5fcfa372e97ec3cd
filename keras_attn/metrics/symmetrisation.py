"""Symmetrisation: one alignment from those of both translation directions."""

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

    One direction links each target word at most once. The intersection of both has high
    precision, their union high recall; growing adds links of the union to the
    intersection:

    - `intersection`: links that both have.
    - `union`: links that either has.
    - `grow-diag`: the intersection; then, until nothing changes, each link of the union
      that is next to a chosen link, diagonals included, and whose source or target word
      has no link yet. Chosen links are visited in order of source then target word,
      straight neighbours before diagonal ones; an added link counts at once.
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
    chosen = forward & backward
    if how != "intersection":
        _grow(chosen, forward | backward)
    if how == "grow-diag-final":
        for links in (forward, backward):
            for link in sorted(links):
                _add_if_new(link, chosen)
    return chosen


def _grow(chosen, union):
    grown = True
    while grown:
        grown = False
        for source, target in sorted(chosen):
            for down, right in _NEIGHBOURS:
                link = (source + down, target + right)
                if link in union and link not in chosen:
                    grown |= _add_if_new(link, chosen)


def _add_if_new(link, chosen):
    """Adds a link if one of its words has none; returns whether it was added."""
    source_linked = any(source == link[0] for source, _ in chosen)
    target_linked = any(target == link[1] for _, target in chosen)
    if source_linked and target_linked:
        return False
    chosen.add(link)
    return True
