"""Relative clauses, only such as have one reading."""

from keras_attn.training.corpora.builtin.clause import Clause, clause_words
from keras_attn.training.corpora.builtin.clauses import sample_clause
from keras_attn.training.corpora.builtin.german import relative_pronoun
from keras_attn.training.corpora.builtin.lexicon import LEXICON
from keras_attn.training.corpora.builtin.phrases import (
    Nominal,
    Pronoun,
    Ready,
    participant_phrase,
)
from keras_attn.training.corpora.builtin.sampler import Sampler
from keras_attn.training.corpora.builtin.tokens import Gloss, Phrase, Word

__all__ = ["object_relative", "subject_with_relative"]

_CERTAIN = ("1s", "2s", "m", "1p", "2p")  # pronouns that differ from their accusative
_HEADS = [
    noun for noun in LEXICON.nouns.values() if noun.classes & {"person", "animal"}
]
_TRANSITIVE = [
    verb
    for verb in LEXICON.verbs.values()
    if verb.frame.kind == "acc" and verb.lemma not in ("haben",)
]


def subject_with_relative(sampler: Sampler) -> Clause:
    """Returns a clause whose subject, a person or animal, has a relative clause."""
    noun = sampler.pick(_HEADS)
    head = sampler.nominal(noun, "subject", plain=True)
    verb = sampler.pick(sampler.options.subject_verbs[noun])
    if isinstance(head.owner, Nominal):
        head.owner = None
    phrase = participant_phrase(head, "nom")
    words, glosses = _relative(sampler, head, phrase.person, verb)
    subject = Ready(
        Phrase(
            [*phrase.german, Word(","), *words, Word(",", soft=True)],
            phrase.english + glosses,
            phrase.person,
        )
    )
    return sample_clause(sampler, verb=verb, subject=subject, small=True)


def object_relative(sampler: Sampler) -> tuple[list[Word], list[Gloss]]:
    """Returns in words a clause whose object has a relative clause, set at the end."""
    verb = sampler.pick(_TRANSITIVE)
    noun = sampler.pair(sampler.options.objects[verb])
    clause = sample_clause(sampler, verb=verb, without="accusative", bare=True)
    head = sampler.nominal(noun, "object", plain=True, negated=True)
    if isinstance(head.owner, Nominal):
        head.owner = None  # or the relative pronoun might mean the owner
    clause.accusative = head
    german, english = clause_words(clause, "main")
    words, glosses = _relative(sampler, head, 5 if head.plural else 2, verb)
    return [*german, Word(","), *words], english + glosses


def _relative(sampler, head, person, matrix):
    """The relative clause to `head`, with its pronoun as subject or as object."""
    living = bool(head.noun.classes & {"person", "animal"})
    gender = "p" if head.plural else head.noun.gender
    translation = "who" if "person" in head.noun.classes else "that"
    divided = tuple(
        [verb for verb in verbs if verb is not matrix]
        for verbs in sampler.options.object_verbs[head.noun]
    )
    if not living and not any(divided):
        divided = sampler.options.object_verbs[head.noun]
    if any(divided) and (not living or sampler.chance(0.35)):
        verb = sampler.pair(divided)
        word = Word(relative_pronoun("acc", gender))
        whom = "whom" if translation == "who" else translation
        opener = Phrase([word], [Gloss(whom, (word,))])
        clause = sample_clause(
            sampler,
            verb=verb,
            subject=_certain_subject(sampler, verb) if living else None,
            without="accusative",
            small=True,
        )
        return clause_words(clause, "final", opener)
    word = Word(relative_pronoun("nom", gender))
    subject = Ready(Phrase([word], [Gloss(translation, (word,))], person))
    verbs = sampler.options.subject_verbs[head.noun]
    verb = sampler.pick([verb for verb in verbs if verb is not matrix])
    before = sampler.novel
    clause = sample_clause(sampler, verb=verb, subject=subject, small=True)
    if gender != "m" and not _marked(clause.accusative):
        clause.accusative = _marked_object(sampler, clause)
        sampler.novel = before  # it may have been the object now replaced
    return clause_words(clause, "final")


def _certain_subject(sampler, verb):
    if sampler.chance(0.5) and "person" in verb.subjects:
        return Pronoun(sampler.pick(_CERTAIN))
    men = [noun for noun in sampler.options.subjects[verb] if noun.gender == "m"]
    return Nominal(sampler.pick(men), sampler.pick(("der", "mein", "ein")))


def _marked(thing):
    """Whether an object cannot be mistaken for the relative clause's subject."""
    if not isinstance(thing, Nominal):
        return True
    living = thing.noun.classes & {"person", "animal"}
    return not living or (thing.noun.gender == "m" and not thing.plural)


def _marked_object(sampler, clause):
    common = sampler.options.objects[clause.verb][0]
    men = [noun for noun in common if noun.gender == "m"]
    return Nominal(sampler.pick(men), "der") if men else Pronoun("m")
