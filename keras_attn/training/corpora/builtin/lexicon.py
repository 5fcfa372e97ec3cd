"""The built-in lexicon: the tables of words read into typed, immutable entries."""

import dataclasses

from keras_attn.training.corpora.builtin import nouns, verbs, words

__all__ = [
    "LEXICON",
    "Adjective",
    "Adverb",
    "Conjunction",
    "Frame",
    "Lexicon",
    "Name",
    "Noun",
    "Preposition",
    "TimePhrase",
    "Verb",
    "lexeme_count",
]


# Entries compare by identity: each lexeme exists once, and they serve as fast keys.
@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Noun:
    """A noun; `plural` is None for a mass noun, `weak` marks the n-declension."""

    lemma: str
    gender: str
    plural: str | None
    weak: bool
    genitive: str | None
    english: tuple[str, ...]
    english_plural: tuple[str, ...] | None
    classes: frozenset[str]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Name:
    """A person's name, spelled alike in both languages; `gender` is `m` or `f`."""

    lemma: str
    gender: str


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Adjective:
    """An adjective, the stem of its inflected forms and the nouns' classes it fits."""

    lemma: str
    stem: str
    comparative: str | None
    english: tuple[str, ...]
    english_comparative: tuple[str, ...]
    classes: frozenset[str]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """The arguments of a verb: see the table of verbs for the kinds."""

    kind: str
    classes: frozenset[str]
    preposition: str | None = None
    case: str | None = None
    english: str | None = None
    place: bool = False
    manner: bool = False


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Verb:
    """A verb: principal parts without the prefix, English words and frame.

    `english_tail` holds the words after the English verb; a word that translates the
    separable prefix starts with `+`.
    """

    lemma: str
    prefix: str
    infinitive: str
    third: str | None
    past: str | None
    participle: str
    auxiliary: str
    reflexive: bool
    english: str
    english_past: str | None
    english_tail: tuple[str, ...]
    subjects: frozenset[str]
    frame: Frame


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class TimePhrase:
    """A time adverbial, its translation and links `(source, target, sure)`."""

    german: tuple[str, ...]
    english: tuple[str, ...]
    links: tuple[tuple[int, int, bool], ...]
    tenses: frozenset[str]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Adverb:
    """A one-word adverb; `kind` says where it stands."""

    german: str
    english: tuple[str, ...]
    kind: str


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Preposition:
    """A two-way preposition: dative and `place`, or accusative and `direction`."""

    german: str
    place: tuple[str, ...]
    direction: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Conjunction:
    """A subordinating conjunction and the tense groups (main, subordinate) it joins."""

    german: str
    english: tuple[str, ...]
    tenses: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Lexicon:
    """All open-class entries, each by its lemma, in the order of the tables."""

    nouns: dict[str, Noun]
    verbs: dict[str, Verb]
    adjectives: dict[str, Adjective]
    times: tuple[TimePhrase, ...]
    adverbs: dict[str, Adverb]
    names: dict[str, Name]
    cities: dict[str, str]
    prepositions: dict[str, Preposition]
    conjunctions: dict[str, Conjunction]


def lexeme_count() -> int:
    """Returns how many German nouns, verbs, adjectives, adverbs and names there are.

    Example:
    >>> lexeme_count() >= 300
    True
    """
    open_classes = ("nouns", "verbs", "adjectives", "adverbs", "names", "cities")
    return sum(len(getattr(LEXICON, name)) for name in open_classes)


def _lines(table):
    return [line for line in table.strip().splitlines() if line]


def _words(text):
    return tuple(text.split("_"))


def _plural(singular):
    *first, last = singular
    if last.endswith(("s", "x", "ch", "sh")):
        return (*first, last + "es")
    if last.endswith("y") and last[-2] not in "aeiou":
        return (*first, last[:-1] + "ies")
    return (*first, last + "s")


def _nouns():
    entries = {}
    for line in _lines(nouns.NOUNS):
        if line.startswith("["):
            group = line.strip("[]").split()
            continue
        lemma, gender, plural, english, *extra = line.split()
        singular, _, irregular = english.partition("/")
        singular = _words(singular)
        entries[lemma] = Noun(
            lemma=lemma,
            gender=gender[0],
            plural=None if plural == "-" else plural,
            weak=gender.endswith("w"),
            genitive=next((word[1:] for word in extra if word[0] == "="), None),
            english=singular,
            english_plural=None
            if plural == "-"
            else (_words(irregular) if irregular else _plural(singular)),
            classes=frozenset(group + [word[1:] for word in extra if word[0] == "+"]),
        )
    return entries


def _frame(column):
    parts = column.split()
    flags = {"place": "@" in parts, "manner": "!" in parts}
    kind, *parts = [part for part in parts if part not in "@!"]
    if kind == "prep":
        preposition, case, english, *parts = parts
        return Frame(kind, frozenset(parts), preposition, case, english, **flags)
    return Frame(kind, frozenset(parts), **flags)


def _weak_participle(prefix, base):
    stem = base[:-2] if base.endswith("en") else base[:-1]
    ending = "et" if stem[-1] in "td" or stem in ("öffn", "zeichn", "regn") else "t"
    # Unstressed first syllables take no ge-; the accent decides, so it is listed.
    bare = base.endswith("ieren") or base.startswith(("be", "ver", "er", "ge"))
    return prefix + ("" if bare else "ge") + stem + ending


def _verbs():
    entries = {}
    for line in _lines(verbs.VERBS):
        german, english, subjects, frame = (part.strip() for part in line.split("|"))
        lemma, *parts = german.split()
        auxiliary = "sein" if parts and parts[-1] == "s" else "haben"
        parts = [part for part in parts if part != "s"]
        reflexive = lemma.startswith("sich_")
        prefix, _, base = lemma.removeprefix("sich_").rpartition(".")
        third, past, participle = parts or (None, None, None)
        first, *tail = english.split()
        first, _, english_past = first.partition(":")
        entry = Verb(
            lemma=("sich " if reflexive else "") + prefix + base,
            prefix=prefix,
            infinitive=base,
            third=third,
            past=past,
            participle=prefix + participle
            if participle
            else _weak_participle(prefix, base),
            auxiliary=auxiliary,
            reflexive=reflexive,
            english=first,
            english_past=english_past or None,
            english_tail=tuple(tail),
            subjects=frozenset(subjects.split()) - {"-"},
            frame=_frame(frame),
        )
        entries[entry.lemma] = entry
    return entries


def _adjectives():
    entries = {}
    for line in _lines(words.ADJECTIVES):
        lemma, comparative, english, english_comparative, *classes = line.split()
        lemma, _, stem = lemma.partition("/")
        entries[lemma] = Adjective(
            lemma=lemma,
            stem=stem or lemma.removesuffix("e"),
            comparative=None if comparative == "-" else comparative,
            english=_words(english),
            english_comparative=_words(english_comparative),
            classes=frozenset(classes),
        )
    return entries


def _times():
    phrases = []
    for line in _lines(words.TIMES):
        texts, links, tenses = (part.strip() for part in line.split("|"))
        german, english = (tuple(side.split()) for side in texts.split(" = "))
        links = links or " ".join(f"{i}-{i}" for i in range(len(german)))
        pairs = tuple(
            (*map(int, link.replace("p", "-").split("-")), "-" in link)
            for link in links.split()
        )
        tenses = "past present future" if tenses == "*" else tenses
        phrases.append(TimePhrase(german, english, pairs, frozenset(tenses.split())))
    return tuple(phrases)


def _rows(table):
    return [line.split() for line in _lines(table)]


LEXICON = Lexicon(
    nouns=_nouns(),
    verbs=_verbs(),
    adjectives=_adjectives(),
    times=_times(),
    adverbs={de: Adverb(de, _words(en), kind) for de, en, kind in _rows(words.ADVERBS)},
    names={name: Name(name, gender) for name, gender in _rows(words.NAMES)},
    cities=dict(_rows(words.CITIES)),
    prepositions={
        de: Preposition(de, _words(place), _words(direction))
        for de, place, direction in _rows(words.PREPOSITIONS)
    },
    conjunctions={
        de: Conjunction(
            de, _words(en), tuple(tuple(pair.split("-")) for pair in tenses)
        )
        for de, en, *tenses in _rows(words.CONJUNCTIONS)
    },
)
