"""Random clauses: a verb, then its arguments."""

from keras_attn.training.corpora.builtin.clause import Clause, Predicate
from keras_attn.training.corpora.builtin.lexicon import LEXICON, Noun, TimePhrase, Verb
from keras_attn.training.corpora.builtin.phrases import (
    Coordination,
    Nominal,
    Participant,
    Pronoun,
    Ready,
)
from keras_attn.training.corpora.builtin.sampler import Sampler
from keras_attn.training.corpora.builtin.tokens import Gloss, Phrase, Word

__all__ = [
    "GENERAL",
    "PERSONAL",
    "STATES",
    "choose_tense",
    "sample_clause",
    "sample_copula",
    "tense_group",
    "weather_clause",
]

_SPECIAL = ("that", "zu", "be")
GENERAL = [
    verb
    for verb in LEXICON.verbs.values()
    if verb.frame.kind not in _SPECIAL and "weather" not in verb.subjects
]
PERSONAL = [verb for verb in GENERAL if "person" in verb.subjects]
_WEATHER = [verb for verb in LEXICON.verbs.values() if "weather" in verb.subjects]
_BE = LEXICON.verbs["sein"]

# States: no "yesterday he knew her", no "you must have a hat".
STATES = {
    LEXICON.verbs[lemma]
    for lemma in (
        "kennen",
        "lieben",
        "gehören",
        "haben",
        "wissen",
        "brauchen",
        "wohnen",
    )
}
_TIMES: dict[str, list[TimePhrase]] = {
    tense: [entry for entry in LEXICON.times if tense in entry.tenses]
    for tense in ("past", "present", "future")
}
_BY_KIND = {
    kind: [entry for entry in LEXICON.adverbs.values() if entry.kind == kind]
    for kind in ("often", "front", "manner", "plural")
}
_PRESENT_MODALS = ("können", "müssen", "wollen", "sollen", "dürfen", "möchten")
_PAST_MODALS = ("können", "müssen", "wollen", "dürfen")
# Which pronouns may be somebody's object: `sie` would be either "her" or "them".
_OBJECT_PRONOUNS = {
    "acc": ("1s", "2s", "m", "1p", "2p"),
    "dat": ("1s", "2s", "m", "f", "1p", "2p", "3p"),
}


def tense_group(clause: Clause) -> str:
    """Returns `present`, `past` or `future`."""
    return "past" if clause.tense == "perfect" else clause.tense


def sample_clause(
    sampler: Sampler,
    *,
    verb: Verb | None = None,
    subject: Participant | None = None,
    group: str | None = None,
    small: bool = False,
    bare: bool = False,
    affirmative: bool = False,
    without: str = "",
) -> Clause:
    """Returns a clause with a full verb.

    Args:
        sampler: The source of choices.
        verb: The verb, or None for any.
        subject: The subject, or None for any that suits.
        group: The tense group, or None for any.
        small: Leaves out most of what is optional.
        bare: Leaves out all that would follow the object, and negation.
        affirmative: Leaves out negation.
        without: A constituent to leave out (a question or relative word stands for
            it): `accusative`, `dative`, `place` or `time`.

    Returns:
        The choices.
    """
    if verb is None:
        verb = sampler.pick(GENERAL)
    if subject is None:
        subject = sampler.subject(verb)
    clause = Clause(subject, verb)
    choose_tense(sampler, clause, group)
    clause.negated = (
        not (bare or affirmative) and sampler.chance(0.13) and not _quantified(subject)
    )
    _fill_objects(sampler, clause, without)
    _fill_places(sampler, clause, without, small or bare)
    if not bare:
        if without != "time":
            _fill_time(sampler, clause, small)
        _fill_manner(sampler, clause)
    _note(sampler, clause)
    return clause


def sample_copula(
    sampler: Sampler, *, group: str | None = None, noun: Noun | None = None
) -> Clause:
    """Returns a clause like `Der Hund ist sehr groß`; the subject may be `noun`."""
    if noun is None and sampler.chance(0.3):
        subject = sampler.subject(LEXICON.verbs["arbeiten"])
        noun = subject.noun if isinstance(subject, Nominal) else None
        if noun is None:
            noun = LEXICON.nouns["Freund"]
            common, _ = sampler.options.adjectives[noun]
            return _copula(sampler, subject, sampler.pick(common), group)
    else:
        nouns = [noun] if noun else tuple(sampler.options.adjectives)
        noun = sampler.pick(nouns)
        subject = sampler.nominal(noun, "subject", plain=True)
    adjective = sampler.pair(sampler.options.adjectives[noun])
    return _copula(sampler, subject, adjective, group)


def _copula(sampler, subject, adjective, group):
    clause = Clause(subject, _BE, predicate=Predicate(adjective))
    draw = sampler.random()
    clause.tense = group or (
        "present" if draw < 0.5 else "past" if draw < 0.9 else "future"
    )
    clause.negated = sampler.chance(0.15) and not _quantified(subject)
    if adjective.comparative and isinstance(subject, Nominal) and sampler.chance(0.45):
        clause.predicate.than = _compared(sampler, subject.noun, adjective)
        if clause.predicate.than:
            sampler.constructions.add("comparative")
    elif not clause.negated and sampler.chance(0.25):
        clause.predicate.very = True
    _note(sampler, clause)
    return clause


def _compared(sampler, noun, adjective):
    common, own = (
        [
            other
            for other in candidates
            if other is not noun
            and noun.classes & other.classes & adjective.classes
            and other.plural
        ]
        for candidates in sampler.options.described[adjective]
    )
    if not common and not own:
        return None
    return Nominal(sampler.pair((common, own)), sampler.pick(("der", "dies")))


def weather_clause(sampler: Sampler, group: str) -> Clause:
    """Returns `es regnet` in the tense group."""
    word = Word("es")
    subject = Ready(Phrase([word], [Gloss("it", (word,))]))
    clause = Clause(subject, sampler.pick(_WEATHER))
    clause.tense = {"past": sampler.pick(("past", "perfect"))}.get(group, group)
    clause.negated = sampler.chance(0.2)
    _note(sampler, clause)
    return clause


def choose_tense(sampler: Sampler, clause: Clause, group: str | None) -> None:
    """Sets the tense (of `group`, if given) and perhaps a modal verb."""
    if group is None:
        draw = sampler.random()
        group = "present" if draw < 0.5 else "past" if draw < 0.9 else "future"
    clause.tense = group
    verb = clause.verb
    if group != "future" and sampler.chance(0.17) and verb not in STATES:
        modals: tuple[str, ...] = (
            _PRESENT_MODALS if group == "present" else _PAST_MODALS
        )
        if isinstance(clause.subject, Nominal) and "person" not in verb.subjects:
            modals = ("können", "müssen")  # engines and animals wish for nothing
        clause.modal = sampler.pick(modals)
    elif group == "past" and verb.lemma not in ("haben", "sein"):
        # Spoken to, Germans say the perfect: no "du kauftest".
        subject = clause.subject
        addressed = isinstance(subject, Pronoun) and subject.person in ("2s", "2p")
        clause.tense = "perfect" if addressed or sampler.chance(0.5) else "past"


def _quantified(subject):
    return isinstance(subject, Nominal) and subject.determiner in (
        "jed", "all", "viel", "einig",
    )  # fmt: skip


def _fill_objects(sampler, clause, without):
    frame = clause.verb.frame
    if frame.kind in ("acc", "datacc", "put") and without != "accusative":
        clause.accusative = _object(sampler, clause, "acc")
    if frame.kind == "dat" and without != "dative":
        clause.dative = _object(sampler, clause, "dat")
    elif frame.kind == "datacc" and without != "dative":
        clause.dative = _receiver(sampler, clause)
    elif frame.kind == "prep":
        clause.prepositional = _object(sampler, clause, frame.case)
    if clause.dative is not None:
        sampler.constructions.add("dative")


def _object(sampler, clause, case):
    verb, subject = clause.verb, clause.subject
    frame = verb.frame
    # "picks him up" would split the English verb: nouns only.
    whole = all(word[0] != "+" or word in ("+at", "+to") for word in verb.english_tail)
    if "person" in frame.classes and whole and sampler.chance(0.2):
        persons = _OBJECT_PRONOUNS[case]
        own = subject.person[0] if isinstance(subject, Pronoun) else ""
        free = [person for person in persons if person[0] != own]
        return Pronoun(sampler.pick(free))
    noun = sampler.pair(sampler.options.objects[verb])
    return sampler.nominal(noun, "object", owner=subject, negated=clause.negated)


def _receiver(sampler, clause):
    if sampler.chance(0.3):
        own = clause.subject.person[0] if isinstance(clause.subject, Pronoun) else ""
        free = [person for person in _OBJECT_PRONOUNS["dat"] if person[0] != own]
        return Pronoun(sampler.pick(free))
    noun = sampler.pick(sampler.options.subjects[LEXICON.verbs["arbeiten"]])
    return sampler.nominal(noun, "object", owner=clause.subject, negated=True)


def _fill_places(sampler, clause, without, small):
    frame = clause.verb.frame
    if without == "place":
        return
    if frame.kind in ("loc", "seat", "dir", "drive", "fly", "climb", "put"):
        clause.place = sampler.place(frame.kind, clause.subject)
    elif frame.place and sampler.chance(0.12 if small else 0.45):
        clause.place = sampler.place("loc", clause.subject)


def _fill_time(sampler, clause, small):
    if clause.verb in STATES:
        return
    group = tense_group(clause)
    draw = sampler.random()
    if draw < (0.12 if small else 0.42):
        late = clause.modal is not None and group == "present"
        clause.time = sampler.pick(_TIMES["future" if late else group])
    elif draw > 0.91 and group != "future" and not clause.modal and not clause.negated:
        clause.often = sampler.pick(_BY_KIND["often"])


def _fill_manner(sampler, clause):
    if clause.verb.frame.manner and sampler.chance(0.25):
        subject = clause.subject
        many = isinstance(subject, Coordination) or (
            isinstance(subject, (Nominal, Pronoun))
            and (
                subject.plural
                if isinstance(subject, Nominal)
                else subject.person[1:] == "p"
            )
        )
        kinds = _BY_KIND["manner"] + (_BY_KIND["plural"] if many else [])
        clause.manner = sampler.pick(kinds)


def _note(sampler, clause):
    seen = sampler.constructions
    seen.add(clause.tense)
    verb = clause.verb
    if clause.modal:
        seen.add("modal")
    if clause.negated:
        indefinite = isinstance(clause.accusative, Nominal) and (
            clause.accusative.determiner in ("ein", "") and not clause.accusative.owner
        )
        seen.add("kein" if indefinite else "nicht")
    if verb.prefix:
        seen.add("separable")
    if verb.reflexive:
        seen.add("reflexive")
