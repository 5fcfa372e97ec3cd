"""Sentences: main clauses, and clauses that are joined or embedded."""

from collections.abc import Sequence
from typing import Any

from keras_attn.training.corpora.builtin.clause import (
    Clause,
    clause_words,
    infinitive_words,
)
from keras_attn.training.corpora.builtin.clauses import (
    PERSONAL,
    STATES,
    choose_tense,
    sample_clause,
    sample_copula,
    tense_group,
    weather_clause,
)
from keras_attn.training.corpora.builtin.lexicon import LEXICON, Adverb
from keras_attn.training.corpora.builtin.phrases import Nominal, participant_phrase
from keras_attn.training.corpora.builtin.questions import sample_question, sample_yes_no
from keras_attn.training.corpora.builtin.relatives import (
    object_relative,
    subject_with_relative,
)
from keras_attn.training.corpora.builtin.sampler import Sampler
from keras_attn.training.corpora.builtin.tokens import (
    GeneratedPair,
    Gloss,
    Phrase,
    Word,
    comma,
    finish,
)

__all__ = ["Kind", "sample_kind", "sample_pair"]

Kind = Sequence[Any]  # the function that builds such a sentence, its closing mark

_OPENINGS: list[Adverb] = [
    entry for entry in LEXICON.adverbs.values() if entry.kind == "front"
]
_CONJUNCTIONS = list(LEXICON.conjunctions.values())
_NEGATABLE = ("weil", "obwohl", "wenn")
_THAT = [verb for verb in LEXICON.verbs.values() if verb.frame.kind == "that"]
_ZU = [verb for verb in LEXICON.verbs.values() if verb.frame.kind == "zu"]
_DOERS = [
    verb
    for verb in PERSONAL
    if verb not in STATES and verb.lemma not in ("verlieren", "verpassen")
]


def sample_kind(sampler: Sampler) -> Kind:
    """Returns a kind of sentence, for `sample_pair`."""
    draw = sampler.random()
    return next(kind for share, *kind in _SENTENCES if draw < share)


def sample_pair(sampler: Sampler, kind: Kind) -> GeneratedPair:
    """Returns one sentence pair; its constructions are in the sampler."""
    build, mark = kind
    sampler.start()
    german, english = build(sampler)
    return finish(german, english, mark)


def _opened(sampler, clause, small=False):
    """Lets something other than the subject open a main clause."""
    draw = sampler.random()
    if clause.time and draw < 0.5:
        clause.first = "time"
    elif clause.place and clause.verb.frame.kind in ("loc", "acc", "-") and draw < 0.3:
        clause.first = "place"
    elif draw > 0.93 and not small:
        clause.opening, clause.first = sampler.pick(_OPENINGS), "opening"
    elif draw > 0.75 and _may_lead(clause):
        clause.first = "accusative"
        sampler.constructions.add("object first")
    if clause.first != "subject":
        sampler.constructions.add("inversion")
    return clause_words(clause, "main")


def _may_lead(clause):
    """Whether the object's article shows its case even before the verb."""
    thing = clause.accusative
    return (
        isinstance(thing, Nominal)
        and thing.noun.gender == "m"
        and not thing.plural
        and thing.determiner in ("der", "dies")
        and not clause.dative
    )


def _simple(sampler, group=None, small=False):
    if sampler.chance(0.15):
        return _opened(sampler, sample_copula(sampler, group=group), small)
    clause = sample_clause(sampler, group=group, small=small)
    return _opened(sampler, clause, small)


def _conjunction(german, english):
    word = Word(german)
    return Phrase([word], [Gloss(text, (word,)) for text in english])


def _subordinate(sampler):
    """A clause with weil, wenn and the like, after or before its main clause."""
    entry = sampler.pick(_CONJUNCTIONS)
    sampler.constructions.add("subordinate")
    sampler.constructions.add("verb-final")
    main_group, group = sampler.pick(entry.tenses)
    draw = sampler.random()
    if draw < 0.12:
        clause = weather_clause(sampler, group)
        clause.negated &= entry.german in _NEGATABLE
    elif draw < 0.25 and entry.german not in ("bevor", "sobald"):
        clause = sample_copula(sampler, group=group)
    else:
        clause = sample_clause(
            sampler,
            group=group,
            small=True,
            affirmative=entry.german not in _NEGATABLE,
        )
    german, english = clause_words(
        clause, "final", _conjunction(entry.german, entry.english)
    )
    if sampler.chance(0.4):
        main = sample_clause(sampler, group=main_group, small=True)
        mark, gloss = comma()
        main_german, main_english = clause_words(main, "inverted")
        sampler.constructions.add("inversion")
        return [*german, mark, *main_german], [*english, gloss, *main_english]
    main_german, main_english = _simple(sampler, main_group, small=True)
    return [*main_german, Word(","), *german], main_english + english


def _reported(sampler):
    """`Der Mann glaubt, dass ...`, and `weiß nicht, ob ...`."""
    sampler.constructions |= {"verb-final", "reported"}
    verb = sampler.pick(_THAT)
    matrix = Clause(sampler.subject(verb), verb)
    matrix.tense = "past" if sampler.chance(0.35) else "present"
    opener = _conjunction("dass", ("that",))
    group = "past"
    if verb is LEXICON.verbs["wissen"] and sampler.chance(0.5):
        matrix.negated = True
        opener = _conjunction("ob", ("whether",))
    if matrix.tense == "present":
        group = sampler.pick(("present", "past", "future"))
    if sampler.chance(0.2):
        clause = sample_copula(sampler, group=group)
    else:
        clause = sample_clause(sampler, group=group)
    german, english = clause_words(matrix, "main")
    inner_german, inner_english = clause_words(clause, "final", opener)
    return [*german, Word(","), *inner_german], english + inner_english


def _doing(sampler, subject):
    """The clause of an infinitive, without a subject."""
    clause = sample_clause(
        sampler, verb=sampler.pick(_DOERS), subject=subject, group="present", small=True
    )
    clause.modal, clause.negated = None, False
    clause.time = clause.often = None
    return clause


def _infinitive(sampler):
    """An infinitive clause: `Der Mann versucht, das Buch zu lesen`."""
    sampler.constructions.add("infinitive")
    verb = sampler.pick(_ZU)
    matrix = Clause(sampler.subject(verb), verb)
    choose_tense(sampler, matrix, sampler.pick(("present", "past", "past")))
    matrix.modal = None
    german, english = clause_words(matrix, "main")
    clause = _doing(sampler, matrix.subject)
    person = participant_phrase(matrix.subject, "nom").person
    inner_german, inner_english = infinitive_words(clause, person)
    return [*german, Word(","), *inner_german], english + inner_english


def _purpose(sampler):
    """A purpose: `..., um das Buch zu lesen`."""
    sampler.constructions.add("infinitive")
    matrix = sample_clause(sampler, verb=sampler.pick(_DOERS), small=True)
    matrix.negated = False
    german, english = _opened(sampler, matrix)
    clause = _doing(sampler, matrix.subject)
    person = participant_phrase(matrix.subject, "nom").person
    opener = _conjunction("um", ("in", "order"))
    inner_german, inner_english = infinitive_words(clause, person, opener)
    return [*german, Word(","), *inner_german], english + inner_english


def _coordinated(sampler):
    """Two main clauses with und, aber or denn."""
    sampler.constructions.add("coordination")
    clause = sample_clause(sampler, small=True)
    first = _opened(sampler, clause, small=True)
    second = _simple(sampler, tense_group(clause), small=True)
    return _joined(sampler, first, second)


def _joined(sampler, first, second, after_clause=False):
    draw = sampler.random()
    mark, gloss = comma()
    if draw < 0.45:
        link = _conjunction("und", ("and",))
        marks = ([mark], [gloss]) if after_clause else ([], [])
    elif draw < 0.8:
        link, marks = _conjunction("aber", ("but",)), ([mark], [gloss])
    else:
        # Before "because ..., ..." one more "because" would not be understood.
        if second[1][0].text == "because":
            return _joined(sampler, first, second, after_clause)
        link, marks = _conjunction("denn", ("because",)), ([mark], [])
    return (
        first[0] + marks[0] + link.german + second[0],
        first[1] + marks[1] + link.english + second[1],
    )


def _shared(sampler):
    """Two predicates of one subject: `Der Mann kauft Wein und kocht die Suppe`."""
    sampler.constructions.add("coordination")
    first = sample_clause(sampler, verb=sampler.pick(PERSONAL), small=True)
    second = sample_clause(
        sampler,
        verb=sampler.pick(PERSONAL),
        subject=first.subject,
        group=tense_group(first),
        small=True,
    )
    german, english = clause_words(first, "main")
    more_german, more_english = clause_words(second, "shared")
    link = _conjunction("und", ("and",))
    return (
        german + link.german + more_german,
        english + link.english + more_english,
    )


def _with_relative(sampler):
    """A relative clause at the subject or at the object."""
    sampler.constructions |= {"relative", "verb-final"}
    if sampler.chance(0.5):
        return clause_words(subject_with_relative(sampler), "main")
    return object_relative(sampler)


def _long(sampler):
    """A chain of two complex sentences, 20 to 40 words long."""
    for _ in range(20):
        sampler.start()
        sampler.constructions.add("long")
        second = sampler.pick((_subordinate, _reported, _with_relative))(sampler)
        first = sampler.pick((_subordinate, _reported))(sampler)
        chain = _joined(sampler, first, second, after_clause=True)
        if max(map(len, chain)) < 39:
            break
    return chain


# Cumulative shares; `random()` is below 1.
_SENTENCES = (
    (0.500, _simple, "."),
    (0.570, sample_yes_no, "?"),
    (0.650, sample_question, "?"),
    (0.750, _subordinate, "."),
    (0.800, _reported, "."),
    (0.835, _infinitive, "."),
    (0.865, _purpose, "."),
    (0.905, _coordinated, "."),
    (0.935, _shared, "."),
    (0.987, _with_relative, "."),
    (1.000, _long, "."),
)
