"""German inflection: noun cases, determiner and adjective endings, verb forms."""

import functools

from keras_attn.training.corpora.builtin.lexicon import Adjective, Noun, Verb

__all__ = [
    "REFLEXIVES",
    "adjective_form",
    "determiner_form",
    "finite_form",
    "infinitive_with_zu",
    "noun_form",
    "pronoun_form",
    "relative_pronoun",
]

CASES = ("nom", "acc", "dat", "gen")

# Columns: masculine, feminine, neuter, plural.
_ARTICLE = {
    "nom": ("der", "die", "das", "die"),
    "acc": ("den", "die", "das", "die"),
    "dat": ("dem", "der", "dem", "den"),
    "gen": ("des", "der", "des", "der"),
}
_RELATIVE = _ARTICLE | {"dat": ("dem", "der", "dem", "denen")}
_STRONG = {
    "nom": ("er", "e", "es", "e"),
    "acc": ("en", "e", "es", "e"),
    "dat": ("em", "er", "em", "en"),
    "gen": ("es", "er", "es", "er"),
}
_EIN = _STRONG | {
    "nom": ("", "e", "", "e"),
    "acc": ("en", "e", "", "e"),
}
# Adjectives after der-words, after ein-words, and after nothing.
_ADJECTIVE = {
    "weak": {
        "nom": ("e", "e", "e", "en"),
        "acc": ("en", "e", "e", "en"),
        "dat": ("en",) * 4,
        "gen": ("en",) * 4,
    },
    "mixed": {
        "nom": ("er", "e", "es", "en"),
        "acc": ("en", "e", "es", "en"),
        "dat": ("en",) * 4,
        "gen": ("en",) * 4,
    },
    "strong": _STRONG | {"gen": ("en", "er", "en", "er")},
}
_COLUMN = {"m": 0, "f": 1, "n": 2, "p": 3}

# Persons: 1s 2s 3s 1p 2p 3p; a third person singular pronoun goes by gender.
_PRONOUNS = {
    "1s": ("ich", "mich", "mir"),
    "2s": ("du", "dich", "dir"),
    "m": ("er", "ihn", "ihm"),
    "f": ("sie", "sie", "ihr"),
    "n": ("es", "es", "ihm"),
    "1p": ("wir", "uns", "uns"),
    "2p": ("ihr", "euch", "euch"),
    "3p": ("sie", "sie", "ihnen"),
}
REFLEXIVES = ("mich", "dich", "sich", "uns", "euch", "sich")

_IRREGULAR = {
    ("sein", "present"): ("bin", "bist", "ist", "sind", "seid", "sind"),
    ("haben", "present"): ("habe", "hast", "hat", "haben", "habt", "haben"),
    ("werden", "present"): ("werde", "wirst", "wird", "werden", "werdet", "werden"),
    ("wissen", "present"): ("weiß", "weißt", "weiß", "wissen", "wisst", "wissen"),
    ("können", "present"): ("kann", "kannst", "kann", "können", "könnt", "können"),
    ("müssen", "present"): ("muss", "musst", "muss", "müssen", "müsst", "müssen"),
    ("wollen", "present"): ("will", "willst", "will", "wollen", "wollt", "wollen"),
    ("sollen", "present"): ("soll", "sollst", "soll", "sollen", "sollt", "sollen"),
    ("dürfen", "present"): ("darf", "darfst", "darf", "dürfen", "dürft", "dürfen"),
    ("möchten", "present"): (
        "möchte", "möchtest", "möchte", "möchten", "möchtet", "möchten",
    ),
}  # fmt: skip
_PAST_STEMS = {
    "haben": "hatte",
    "können": "konnte",
    "müssen": "musste",
    "wollen": "wollte",
    "dürfen": "durfte",
}


@functools.cache
def noun_form(noun: Noun, case: str, plural: bool) -> str:
    """Returns `noun` in `case`: dative plural -n, genitive -(e)s, weak -(e)n.

    Example:
    >>> from keras_attn.training.corpora.builtin.lexicon import LEXICON
    >>> noun_form(LEXICON.nouns["Kind"], "dat", True)
    'Kindern'
    """
    if plural:
        if noun.plural is None:
            raise ValueError(
                f"A mass noun has no plural. Received: noun={noun.lemma!r}."
            )
        dative_n = case == "dat" and not noun.plural.endswith(("n", "s"))
        return noun.plural + "n" if dative_n else noun.plural
    if noun.weak and case != "nom":
        return noun.plural or noun.lemma
    if case == "gen" and noun.gender != "f":
        if noun.genitive:
            return noun.genitive
        hissing = noun.lemma.endswith(("s", "ß", "x", "z", "sch"))
        short = _syllables(noun.lemma) == 1 and noun.lemma[-1] not in "aeiou"
        return noun.lemma + ("es" if hissing or short else "s")
    return noun.lemma


def _syllables(word):
    vowels = [letter in "aeiouyäöü" for letter in word.lower()]
    return sum(
        now and not before
        for before, now in zip([False, *vowels], vowels, strict=False)
    )


@functools.cache
def determiner_form(stem: str, case: str, gender: str) -> str:
    """Returns a determiner in agreement.

    Args:
        stem: `der`, a der-word's stem (`dies`, `jed`, `welch`) or an ein-word
            (`ein`, `kein`, `mein`, `euer`).
        case: One of `nom`, `acc`, `dat`, `gen`.
        gender: `m`, `f`, `n`, or `p` for any plural.

    Returns:
        The inflected determiner.

    Example:
    >>> determiner_form("euer", "acc", "f")
    'eure'
    """
    column = _COLUMN[gender]
    if stem == "der":
        return _ARTICLE[case][column]
    if stem in ("dies", "jed", "welch"):
        return stem + _STRONG[case][column]
    ending = _EIN[case][column]
    return ("eur" if stem == "euer" and ending else stem) + ending


def adjective_form(adjective: Adjective, kind: str, case: str, gender: str) -> str:
    """Returns `adjective` with its `weak`, `mixed` or `strong` ending.

    Example:
    >>> from keras_attn.training.corpora.builtin.lexicon import LEXICON
    >>> adjective_form(LEXICON.adjectives["dunkel"], "mixed", "nom", "n")
    'dunkles'
    """
    return adjective.stem + _ADJECTIVE[kind][case][_COLUMN[gender]]


def pronoun_form(person: str, case: str) -> str:
    """Returns the personal pronoun of `1s`, `2s`, `m`, `f`, `n`, `1p`, `2p`, `3p`."""
    return _PRONOUNS[person][CASES.index(case)]


def relative_pronoun(case: str, gender: str) -> str:
    """Returns the relative pronoun for a noun of `gender` (`p`: plural)."""
    return _RELATIVE[case][_COLUMN[gender]]


@functools.cache
def finite_form(verb: Verb | str, tense: str, person: int) -> str:
    """Returns the finite form without the separable prefix.

    Args:
        verb: A lexicon entry, or the infinitive of an auxiliary or modal.
        tense: `present` or `past`.
        person: 0 to 5 for ich, du, er/sie/es, wir, ihr, sie.

    Returns:
        The form, e.g. `steht` of `aufstehen`.
    """
    infinitive = verb if isinstance(verb, str) else verb.infinitive
    if (infinitive, tense) in _IRREGULAR:
        return _IRREGULAR[infinitive, tense][person]
    if tense == "past":
        stem = None if isinstance(verb, str) else verb.past
        if infinitive == "sein":
            stem = "war"
        elif infinitive == "werden":
            stem = "wurde"
        return _past(infinitive, stem or _PAST_STEMS.get(infinitive), person)
    return _present(infinitive, None if isinstance(verb, str) else verb.third, person)


def _stem(infinitive):
    return infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]


def _linking_e(stem):
    """Whether -st, -t, -te need an e: after t and d, and after obstruent + n or m."""
    obstruent = stem[-2] in "fgtdk" or stem[:-1].endswith("ch")
    return stem[-1] in "td" or (stem[-1] in "nm" and obstruent)


def _present(infinitive, third, person):
    stem = _stem(infinitive)
    if person in (3, 5):
        return infinitive
    if person == 0:
        return (stem[:-2] + "l" if infinitive.endswith("eln") else stem) + "e"
    if person == 2 and third:
        return third
    if person == 1 and third and third != stem + "t" and third != stem + "et":
        changed = third if stem[-1] == "t" else third.removesuffix("t")
        return changed + ("t" if changed[-1] in "sßz" else "st")
    link = "e" if _linking_e(stem) else ""
    if person == 1:
        return stem + ("t" if stem[-1] in "sßz" else link + "st")
    return stem + link + "t"


def _past(infinitive, strong, person):
    stem = _stem(infinitive)
    past = strong or stem + ("ete" if _linking_e(stem) else "te")
    if past.endswith("te"):
        return past + ("", "st", "", "n", "t", "n")[person]
    hissing, dental = past[-1] in "sßz", past[-1] in "td"
    second = "est" if hissing or dental else "st"
    plural = "n" if past.endswith("e") else "en"
    return past + ("", second, "", plural, "et" if dental else "t", plural)[person]


def infinitive_with_zu(verb: Verb) -> list[str]:
    """Returns `zu lesen`, or one word with the zu inside: `aufzustehen`."""
    if verb.prefix:
        return [f"{verb.prefix}zu{verb.infinitive}"]
    return ["zu", verb.infinitive]
