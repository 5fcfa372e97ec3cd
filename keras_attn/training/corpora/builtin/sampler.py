"""Random choices of participants and places, within the combinations of one split."""

import random
from collections.abc import Sequence
from typing import TypeVar

from keras_attn.training.corpora.builtin.clause import Place
from keras_attn.training.corpora.builtin.lexicon import (
    LEXICON,
    Adjective,
    Name,
    Noun,
    Verb,
)
from keras_attn.training.corpora.builtin.phrases import (
    Coordination,
    Nominal,
    Participant,
    Pronoun,
    Ready,
)
from keras_attn.training.corpora.builtin.split import options
from keras_attn.training.corpora.builtin.tokens import Gloss, Phrase, Word

__all__ = ["Sampler"]

_T = TypeVar("_T")

_POSSESSIVES = {
    "1s": "mein",
    "2s": "dein",
    "m": "sein",
    "f": "ihr/f",
    "1p": "unser",
    "2p": "euer",
    "3p": "ihr/p",
}
# Classes without possessives: no "my thief", no "our river".
_WITHOUT_OWNER = {"person", "building", "outdoors", "landmark", "transit", "event"}
_COUNTED = ("zwei", "drei", "vier", "fünf", "viel", "einig", "all")


def _nouns(*classes):
    wanted = set(classes)
    return [noun for noun in LEXICON.nouns.values() if noun.classes & wanted]


_PERSONS = _nouns("person")
_PLACES = _nouns("place")
_INDOORS = _nouns("room", "building", "outdoors")
_OUTDOORS = _nouns("outdoors")
_BUILDINGS = _nouns("building")
_SURFACES = _nouns("surface")
_CONTAINERS = _nouns("container")
_HIGH = _nouns("high")
_NAMES = list(LEXICON.names.values())
_CITIES = list(LEXICON.cities.items())


def _lemma(person):
    return person.noun.lemma if isinstance(person, Nominal) else person.lemma


class Sampler:
    """A seeded stream of choices; `novel` is True after a reserved one.

    Only `random()` is used, the one method whose sequence Python keeps across
    versions.

    Args:
        split: One of `SPLITS`.
        seed: Seed of the stream.
    """

    def __init__(self, split: str, seed: int):
        """Starts the stream."""
        self.options = options(split)
        self.random = random.Random(seed).random
        self.novel = False
        self.constructions: set[str] = set()

    def start(self) -> None:
        """Resets the state for a new sentence."""
        self.novel = False
        self.constructions = set()

    def chance(self, probability: float) -> bool:
        """Returns True with `probability`."""
        return self.random() < probability

    def pick(self, items: Sequence[_T]) -> _T:
        """Returns one of `items`, all equally likely."""
        return items[int(self.random() * len(items))]

    def pair(self, divided: tuple[list[_T], list[_T]]) -> _T:
        """Returns one of the common or, more often than its share, the own items."""
        common, own = divided
        if own and (not common or self.chance(0.5)):
            self.novel = True
            return self.pick(own)
        return self.pick(common)

    def subject(self, verb: Verb, *, speaker: bool = True) -> Participant:
        """Returns a subject that suits `verb`; not `ich` unless `speaker`."""
        if "person" in verb.subjects:
            draw = self.random()
            if draw < 0.42:
                persons = tuple(_POSSESSIVES)
                return Pronoun(self.pick(persons if speaker else persons[1:]))
            if draw < 0.52:
                return self.pick(_NAMES)
            if draw < 0.57:
                self.constructions.add("coordination")
                first, second = self._person(), self._person()
                while _lemma(second) == _lemma(first):
                    second = self._person()
                return Coordination(first, second)
        return self.nominal(self.pick(self.options.subjects[verb]), "subject")

    def _person(self):
        if self.chance(0.5):
            return self.pick(_NAMES)
        noun = self.pick(_PERSONS)
        family = "family" in noun.classes
        return Nominal(noun, self.pick(("mein", "dein") if family else ("der", "ein")))

    def nominal(
        self,
        noun: Noun,
        role: str,
        *,
        owner: Participant | None = None,
        negated: bool = False,
        plain: bool = False,
    ) -> Nominal:
        """Returns a noun phrase around `noun`.

        Args:
            noun: Its noun.
            role: `subject`, `object` or `place`.
            owner: The clause's subject, whom a possessive may refer to.
            negated: Whether the clause is negated: no quantifiers then, for the sake of
                one clear reading.
            plain: Leaves out the adjective.

        Returns:
            The choices.
        """
        determiner, plural = self._determiner(noun, role, owner, negated)
        result = Nominal(noun, determiner, plural)
        if not plain and self.chance(0.11 if role == "place" else 0.26):
            result.adjective = self.adjective(noun)
        elif determiner == "der" and role != "place" and not plural:
            self._own(result)
        if noun.weak:
            self.constructions.add("n-declension")
        if len(noun.english) > 1:
            self.constructions.add("compound")
        return result

    def adjective(self, noun: Noun) -> Adjective:
        """Returns an adjective that can describe `noun`."""
        self.constructions.add("adjective")
        return self.pair(self.options.adjectives[noun])

    def _determiner(self, noun, role, owner, negated):
        draw = self.random()
        if role == "place":
            possessive = self._possessive(owner)
            own = possessive and draw < 0.12 and "room" in noun.classes
            return (possessive, False) if own else ("der", False)
        if noun.plural is None:
            bare = role != "subject" and draw < 0.45
            return ("" if bare else "der" if draw < 0.9 else "dies"), False
        family = "family" in noun.classes
        several = self.chance(0.15) and "parent" not in noun.classes
        if self.chance(0.7 if family else 0 if noun.classes & _WITHOUT_OWNER else 0.12):
            possessive = self._possessive(owner) if role == "object" else None
            if possessive is None:
                possessive = self.pick(("mein", "dein", "unser", "sein", "euer"))
            return possessive, several
        if family:
            return "der", several
        if negated and role == "object" and self.chance(0.4):
            return "ein", False
        if draw < 0.48:
            return "der", False
        if draw < 0.72:
            return "ein", False
        if draw < 0.78:
            return "dies", self.chance(0.3)
        if draw < 0.86:
            return "der", True
        if draw < 0.91 and role != "subject":
            return "", True
        if negated:
            return "der", False
        if role == "subject" and draw < 0.94:
            return "jed", False
        return self.pick(_COUNTED), True

    def _possessive(self, owner):
        """The possessive that refers to the subject, where it is beyond doubt."""
        if isinstance(owner, Pronoun):
            return _POSSESSIVES.get(owner.person)
        if isinstance(owner, Name):
            return _POSSESSIVES[owner.gender]
        if isinstance(owner, Nominal) and "person" in owner.noun.classes:
            return _POSSESSIVES.get("3p" if owner.plural else owner.noun.gender)
        return None

    def _own(self, nominal):
        classes = nominal.noun.classes
        if "part" in classes and self.chance(0.5):
            nominal.owner = Nominal(self.pick(_BUILDINGS))
        elif classes & {"thing", "clothes", "owned", "paper"} and self.chance(0.25):
            nominal.owner = Nominal(self.pick(_PERSONS))
        elif "family" in classes and self.chance(0.3):
            nominal.determiner, nominal.owner = "", self.pick(_NAMES)
        if nominal.owner:
            self.constructions.add("genitive")

    def place(self, kind: str, owner: Participant) -> Place:
        """Returns a place or direction of the kind that a verb's frame asks for."""
        if kind not in ("loc", "seat"):
            self.constructions.add("direction")
        draw = self.random()
        if kind == "fly" or (kind in ("dir", "drive") and draw < 0.2):
            return Place("nach", ("to",), self._city(), "dat")
        if kind == "climb":
            return self._two_way("auf", self.pick(_HIGH), "acc", owner)
        if kind in ("seat", "put"):
            case = "dat" if kind == "seat" else "acc"
            if draw < 0.25 and kind == "put":
                return self._two_way("in", self.pick(_CONTAINERS), case, owner)
            name = self.pick(("auf", "auf", "unter", "hinter", "vor", "neben"))
            return self._two_way(name, self.pick(_SURFACES), case, owner)
        if kind in ("dir", "drive"):
            if draw < 0.45:
                goal = self.nominal(self.pick(_BUILDINGS), "place", owner=owner)
                return Place("zu", ("to",), goal, "dat")
            inside = _PLACES if kind == "dir" else _OUTDOORS
            return self._two_way("in", self.pick(inside), "acc", owner)
        if draw < 0.15:
            return Place("in", ("in",), self._city(), "dat")
        if draw < 0.35:
            name = self.pick(("vor", "hinter", "neben"))
            return self._two_way(name, self.pick(_BUILDINGS), "dat", owner)
        return self._two_way("in", self.pick(_INDOORS), "dat", owner)

    def _two_way(self, name, noun, case, owner):
        entry = LEXICON.prepositions[name]
        english = entry.place if case == "dat" else entry.direction
        return Place(name, english, self.nominal(noun, "place", owner=owner), case)

    def _city(self):
        german, english = self.pick(_CITIES)
        word = Word(german)
        return Ready(Phrase([word], [Gloss(english, (word,))]))
