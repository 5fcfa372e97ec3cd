"""English inflection: articles, noun number, verb forms."""

import functools

__all__ = ["be_form", "indefinite_article", "past_form", "present_form", "pronoun_form"]

_PRONOUNS = {
    "1s": ("I", "me", "my"),
    "2s": ("you", "you", "your"),
    "m": ("he", "him", "his"),
    "f": ("she", "her", "her"),
    "n": ("it", "it", "its"),
    "1p": ("we", "us", "our"),
    "2p": ("you", "you", "your"),
    "3p": ("they", "them", "their"),
}
_BE = {
    "present": ("am", "are", "is", "are", "are", "are"),
    "past": ("was", "were", "was", "were", "were", "were"),
}
_THIRD = {"have": "has"}
# First letters pronounced with the consonant of "you".
_YOU = ("use", "uni", "eur")


def pronoun_form(person: str, case: str) -> str:
    """Returns the pronoun of `person` as `nom`, `acc` (also `dat`) or `poss`."""
    return _PRONOUNS[person][{"nom": 0, "acc": 1, "dat": 1, "poss": 2}[case]]


def be_form(tense: str, person: int) -> str:
    """Returns am, are, is, was or were for person 0 to 5."""
    return _BE[tense][person]


def indefinite_article(following: str) -> str:
    """Returns `a` or `an` by the sound that the following word begins with.

    Example:
    >>> [indefinite_article(word) for word in ("apple", "useful", "honest", "dog")]
    ['an', 'a', 'an', 'a']
    """
    if following.startswith(("honest", "hour")):
        return "an"
    return "an" if following[0] in "aeiou" and following[:3] not in _YOU else "a"


@functools.cache
def present_form(base: str, person: int) -> str:
    """Returns the simple present: the third person singular takes -s, -es or -ies."""
    if person != 2:
        return base
    if base in _THIRD:
        return _THIRD[base]
    if base.endswith(("s", "x", "ch", "sh", "o")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


@functools.cache
def past_form(base: str, irregular: str | None) -> str:
    """Returns the simple past: `irregular` where there is one, else -ed, -d or -ied."""
    if irregular:
        return irregular
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + "ed"
