"""Clauses: the choices that make one, and its order of words in both languages."""

import dataclasses
from typing import NamedTuple

from keras_attn.training.corpora.builtin.lexicon import (
    Adjective,
    Adverb,
    TimePhrase,
    Verb,
)
from keras_attn.training.corpora.builtin.phrases import (
    Nominal,
    Participant,
    Pronoun,
    participant_phrase,
    prepositional_phrase,
)
from keras_attn.training.corpora.builtin.tokens import Gloss, Phrase, Word, time_phrase
from keras_attn.training.corpora.builtin.verbal import VerbGroup, verb_group, zu_group

__all__ = ["Clause", "Place", "Predicate", "clause_words", "infinitive_words"]


@dataclasses.dataclass(slots=True)
class Place:
    """Where or where to: a preposition, its translation, a phrase and its case."""

    preposition: str
    english: tuple[str, ...]
    nominal: Participant
    case: str


@dataclasses.dataclass(slots=True)
class Predicate:
    """The predicate of `sein`: an adjective, maybe compared or intensified."""

    adjective: Adjective
    very: bool = False
    than: Nominal | None = None


@dataclasses.dataclass(slots=True)
class Clause:
    """The choices of a clause; `first` names the first constituent of a main clause.

    `first` is `subject`, `time`, `place`, `accusative` or `opening`.
    """

    subject: Participant
    verb: Verb
    tense: str = "present"
    modal: str | None = None
    negated: bool = False
    accusative: Participant | None = None
    dative: Participant | None = None
    prepositional: Participant | None = None
    place: Place | None = None
    predicate: Predicate | None = None
    time: TimePhrase | None = None
    often: Adverb | None = None
    manner: Adverb | None = None
    opening: Adverb | None = None
    first: str = "subject"


class _Parts(NamedTuple):
    subject: Phrase
    group: VerbGroup
    slots: dict[str, Phrase]  # the other constituents
    negation: Word | None


# German: pronouns, time, objects, negation and the rest, between the verbal brackets.
_MIDDLE = ("short_dative", "short_accusative", "time", "often", "dative", "accusative")
_AFTER_NOT = ("manner", "prepositional", "place", "predicate")
_ENGLISH = (
    "short_dative",
    "dative",
    "short_accusative",
    "accusative",
    "predicate",
    "manner",
    "prepositional",
    "place",
    "time",
)


def clause_words(
    clause: Clause, order: str, opener: Phrase | None = None
) -> tuple[list[Word], list[Gloss]]:
    """Returns a finite clause in words.

    Args:
        clause: The choices.
        order: `main` (verb second after `clause.first`), `inverted` (verb first,
            after a fronted clause), `shared` (a coordinated predicate without its
            subject), `question` (verb first, or second after `opener`) or `final`
            (verb last after `opener`).
        opener: A question word, relative pronoun or conjunction.

    Returns:
        The German words and the English glosses.

    Example:
    >>> from keras_attn.training.corpora.builtin.lexicon import LEXICON
    >>> clause = Clause(Pronoun("m"), LEXICON.verbs["schlafen"], tense="perfect")
    >>> [word.text for word in clause_words(clause, "final")[0]]
    ['er', 'geschlafen', 'hat']
    """
    parts = _parts(clause, order)
    subject, group, slots, _ = parts
    if order == "main" and clause.first != "subject":
        front = slots[clause.first]
    else:
        front = opener or Phrase([], [])
    lead = front.english
    if order == "main" and clause.first == "accusative":
        lead = []  # English keeps the object after its verb
    elif order == "main" and clause.first != "subject":
        slots = {name: phrase for name, phrase in slots.items() if phrase is not front}
    english = _english(parts, slots, lead, order)
    middle = _middle(parts, front)
    finite = [group.finite]
    if order == "final":
        german = front.german + subject.german + middle + group.right + finite
    elif order == "shared":
        german = finite + middle + group.right
    elif order == "main" and clause.first == "subject":
        german = subject.german + finite + middle + group.right
    else:
        german = front.german + finite + subject.german + middle + group.right
    return german, english


def infinitive_words(
    clause: Clause, person: int, opener: Phrase | None = None
) -> tuple[list[Word], list[Gloss]]:
    """Returns `das Buch zu lesen` and `to read the book`; `opener` is `um`."""
    slots, _ = _slots(clause)
    group = zu_group(clause.verb, person)
    front = opener or Phrase([], [])
    parts = _Parts(Phrase([], []), group, slots, None)
    german = front.german + _middle(parts, front) + group.right
    return german, _english(parts, slots, front.english, "final")


def _parts(clause, order):
    subject = participant_phrase(clause.subject, "nom")
    slots, negation = _slots(clause)
    if clause.negated and negation is None:
        negation = Word("nicht")
    group = verb_group(
        clause.verb,
        clause.tense,
        clause.modal,
        subject.person,
        final=order == "final",
        inverted=order == "question",
        negation=negation,
    )
    return _Parts(subject, group, slots, negation)


def _slots(clause):
    slots = {}
    negation = None
    if clause.accusative is not None:
        phrase = participant_phrase(clause.accusative, "acc", clause.negated)
        short = isinstance(clause.accusative, Pronoun)
        slots["short_accusative" if short else "accusative"] = phrase
        negation = phrase.negation
    if clause.dative is not None:
        short = isinstance(clause.dative, Pronoun)
        phrase = participant_phrase(clause.dative, "dat")
        slots["short_dative" if short else "dative"] = phrase
    if clause.prepositional is not None:
        frame = clause.verb.frame
        slots["prepositional"] = prepositional_phrase(
            frame.preposition, (frame.english,), clause.prepositional, frame.case
        )
    if clause.place:
        place = clause.place
        slots["place"] = prepositional_phrase(
            place.preposition, place.english, place.nominal, place.case
        )
    if clause.predicate:
        slots["predicate"] = _predicate(clause.predicate)
    if clause.time:
        slots["time"] = time_phrase(clause.time)
    for name in ("often", "manner", "opening"):
        adverb = getattr(clause, name)
        if adverb:
            word = Word(adverb.german)
            glosses = [Gloss(text, (word,)) for text in adverb.english]
            slots[name] = Phrase([word], glosses)
    return slots, negation


def _predicate(choice):
    words, glosses = [], []
    if choice.very:
        words.append(Word("sehr"))
        glosses.append(Gloss("very", (words[0],)))
    compared = choice.than is not None
    form = choice.adjective.comparative if compared else choice.adjective.lemma
    texts = (
        choice.adjective.english_comparative if compared else choice.adjective.english
    )
    core = Word(form)
    words.append(core)
    glosses += [Gloss(text, (core,)) for text in texts]
    if compared:
        than = Word("als")
        other = participant_phrase(choice.than, "nom")
        words += [than, *other.german]
        glosses += [Gloss("than", (than,)), *other.english]
    return Phrase(words, glosses)


def _middle(parts, front):
    slots, group = parts.slots, parts.group
    words = list(group.reflexive)
    for name in _MIDDLE:
        if name in slots and slots[name] is not front:
            words += slots[name].german
    if parts.negation and parts.negation.text == "nicht":
        words.append(parts.negation)
    for name in _AFTER_NOT:
        if name in slots and slots[name] is not front:
            words += slots[name].german
    return words


def _english(parts, slots, lead, order):
    subject, group = parts.subject, parts.group
    line = list(lead)
    if order == "question":
        line += group.auxiliary + subject.english
    elif order == "shared":
        line += group.auxiliary
    else:
        line += subject.english + group.auxiliary
    negation = parts.negation
    cannot = bool(group.auxiliary) and group.auxiliary[0].text == "cannot"
    if negation and not cannot:
        line.append(Gloss("not", (negation,)))
    if "often" in slots:
        line += slots["often"].english
    line += group.verb
    for name in _ENGLISH:
        if name in slots:
            line += slots[name].english
    return line
