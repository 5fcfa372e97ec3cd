"""Noun phrases and prepositional phrases: their choices, and their words."""

import dataclasses
from typing import NamedTuple, TypeAlias

from keras_attn.training.corpora.builtin import english, german
from keras_attn.training.corpora.builtin.lexicon import Adjective, Name, Noun
from keras_attn.training.corpora.builtin.tokens import Gloss, Phrase, Word

__all__ = [
    "DETERMINERS",
    "Coordination",
    "Nominal",
    "Participant",
    "Pronoun",
    "Ready",
    "participant_phrase",
    "prepositional_phrase",
]


class Determiner(NamedTuple):
    """Inflection of a determiner, the endings after it, and its two translations.

    `inflection` is `article` (by case and gender), `plural` (strong plural endings)
    or `none`; `adjective` names the ending pattern of a following adjective.
    """

    stem: str
    inflection: str
    adjective: str
    singular: str
    plural: str


DETERMINERS = {
    "der": Determiner("der", "article", "weak", "the", "the"),
    "dies": Determiner("dies", "article", "weak", "this", "these"),
    "jed": Determiner("jed", "article", "weak", "every", ""),
    "welch": Determiner("welch", "article", "weak", "which", "which"),
    "all": Determiner("all", "plural", "weak", "", "all"),
    "ein": Determiner("ein", "article", "mixed", "a", ""),
    "kein": Determiner("kein", "article", "mixed", "a", "any"),
    "mein": Determiner("mein", "article", "mixed", "my", "my"),
    "dein": Determiner("dein", "article", "mixed", "your", "your"),
    "sein": Determiner("sein", "article", "mixed", "his", "his"),
    "ihr/f": Determiner("ihr", "article", "mixed", "her", "her"),
    "ihr/p": Determiner("ihr", "article", "mixed", "their", "their"),
    "unser": Determiner("unser", "article", "mixed", "our", "our"),
    "euer": Determiner("euer", "article", "mixed", "your", "your"),
    "zwei": Determiner("zwei", "none", "strong", "", "two"),
    "drei": Determiner("drei", "none", "strong", "", "three"),
    "vier": Determiner("vier", "none", "strong", "", "four"),
    "fünf": Determiner("fünf", "none", "strong", "", "five"),
    "viel": Determiner("viel", "plural", "strong", "", "many"),
    "einig": Determiner("einig", "plural", "strong", "", "some"),
    "": Determiner("", "none", "strong", "", ""),
}
_PLURAL_ENDINGS = {"nom": "e", "acc": "e", "dat": "en", "gen": "er"}
_CONTRACTIONS = {
    ("in", "dem"): "im",
    ("in", "das"): "ins",
    ("an", "dem"): "am",
    ("an", "das"): "ans",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
}
_PERSONS = {"1s": 0, "2s": 1, "m": 2, "f": 2, "n": 2, "1p": 3, "2p": 4, "3p": 5}


@dataclasses.dataclass(slots=True)
class Nominal:
    """A noun phrase: determiner key, number, adjective and owner of a noun."""

    noun: Noun
    determiner: str = "der"
    plural: bool = False
    adjective: Adjective | None = None
    owner: "Nominal | Name | None" = None


@dataclasses.dataclass(slots=True)
class Pronoun:
    """A personal pronoun: `1s`, `2s`, `m`, `f`, `n`, `1p`, `2p` or `3p`."""

    person: str


@dataclasses.dataclass(slots=True)
class Coordination:
    """Two phrases joined by `und`."""

    first: Nominal | Name
    second: Nominal | Name


@dataclasses.dataclass(slots=True)
class Ready:
    """A phrase already in words: a question word, a relative pronoun, `es`."""

    phrase: Phrase


Participant: TypeAlias = Nominal | Name | Pronoun | Coordination | Ready


def participant_phrase(choice: Participant, case: str, negated: bool = False) -> Phrase:
    """Returns the words of a participant.

    Args:
        choice: What was chosen.
        case: `nom`, `acc`, `dat` or `gen`.
        negated: Says an indefinite noun phrase with `kein`.

    Returns:
        The linked phrase; its `negation` is the word `kein`.
    """
    if isinstance(choice, Nominal):
        return _nominal(choice, case, negated)
    if isinstance(choice, Pronoun):
        word = Word(german.pronoun_form(choice.person, case))
        text = english.pronoun_form(choice.person, "nom" if case == "nom" else "acc")
        return Phrase([word], [Gloss(text, (word,))], _PERSONS[choice.person])
    if isinstance(choice, Name):
        word = Word(choice.lemma)
        return Phrase([word], [Gloss(choice.lemma, (word,))])
    if isinstance(choice, Coordination):
        first = participant_phrase(choice.first, case)
        second = participant_phrase(choice.second, case)
        both = Word("und")
        return Phrase(
            [*first.german, both, *second.german],
            [*first.english, Gloss("and", (both,)), *second.english],
            5,
        )
    return choice.phrase


def prepositional_phrase(
    preposition: str, translation: tuple[str, ...], choice: Participant, case: str
) -> Phrase:
    """Returns `choice` after a preposition; `in dem` and its like contract to `im`."""
    phrase = participant_phrase(choice, case)
    head = phrase.german[0]
    short = _CONTRACTIONS.get((preposition, head.text))
    if short and isinstance(choice, Nominal) and choice.determiner == "der":
        head.text = short
        words = phrase.german
    else:
        head = Word(preposition)
        words = [head, *phrase.german]
    glosses = [Gloss(text, (head,)) for text in translation]
    return Phrase(words, glosses + phrase.english, phrase.person)


def _nominal(choice, case, negated):
    noun, plural = choice.noun, choice.plural
    gender = "p" if plural else noun.gender
    indefinite = choice.determiner in ("ein", "") and not choice.owner
    key = "kein" if negated and indefinite else choice.determiner
    entry = DETERMINERS[key]
    words, article, adjective = [], [], []
    negation = None
    if entry.stem:
        head = Word(_determiner(entry, case, gender))
        words.append(head)
        any_mass = key == "kein" and noun.plural is None
        text = entry.plural if plural or any_mass else entry.singular
        article.append(Gloss(text, (head,)))
        negation = head if key == "kein" else None
    if choice.adjective:
        form = german.adjective_form(choice.adjective, entry.adjective, case, gender)
        words.append(Word(form))
        adjective = [Gloss(text, (words[-1],)) for text in choice.adjective.english]
    core = Word(german.noun_form(noun, case, plural))
    words.append(core)
    texts = noun.english_plural if plural else noun.english
    rest = adjective + [Gloss(text, (core,)) for text in texts]
    if article and article[0].text == "a":
        article[0] = article[0]._replace(text=english.indefinite_article(rest[0].text))
    if choice.owner:
        words, glosses = _owned(choice.owner, words, article, rest)
    else:
        glosses = article + rest
    return Phrase(words, glosses, 5 if plural else 2, negation)


def _determiner(entry, case, gender):
    if entry.inflection == "article":
        return german.determiner_form(entry.stem, case, gender)
    if entry.inflection == "plural":
        return entry.stem + _PLURAL_ENDINGS[case]
    return entry.stem


def _owned(owner, words, article, rest):
    """Puts the owner after the German noun, and before or after the English one."""
    if isinstance(owner, Name):
        name = Word(owner.lemma + "s")
        return [name, *words], [Gloss(owner.lemma + "'s", (name,)), *rest]
    genitive = _nominal(owner, "gen", False)
    words = words + genitive.german
    if "person" not in owner.noun.classes:
        of = Gloss("of", (), (genitive.german[0],))
        return words, [*article, *rest, of, *genitive.english]
    whose = list(genitive.english)
    whose[-1] = whose[-1]._replace(text=whose[-1].text + "'s")
    # The owned noun's article has no English counterpart of its own.
    whose[0] = whose[0]._replace(possible=(words[0],))
    return words, whose + rest
