"""Writing generated text into pages of the documentation."""

__all__ = ["replace_between"]


def replace_between(page: str, begin: str, end: str, text: str) -> str:
    """Returns a page with what stands between two marks replaced.

    Args:
        page: The whole page.
        begin: The first mark, which stays.
        end: The second one, likewise.
        text: What to put between them.

    Raises:
        ValueError: If the page lacks a mark.

    Example:
    >>> replace_between("a <1> old <2> b", "<1>", "<2>", " new ")
    'a <1> new <2> b'
    """
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise ValueError(
            f"A page with results holds {begin} and, further down, {end}. "
            f"Received: {page[:60]!r}..."
        )
    return f"{before}{begin}{text}{end}{after}"
