"""Questions: yes/no, and with a question word for each constituent."""

from keras_attn.training.corpora.builtin.clause import clause_words
from keras_attn.training.corpora.builtin.clauses import (
    GENERAL,
    PERSONAL,
    STATES,
    sample_clause,
    sample_copula,
)
from keras_attn.training.corpora.builtin.lexicon import LEXICON
from keras_attn.training.corpora.builtin.phrases import (
    Nominal,
    Ready,
    participant_phrase,
)
from keras_attn.training.corpora.builtin.sampler import Sampler
from keras_attn.training.corpora.builtin.tokens import Gloss, Phrase, Word

__all__ = ["sample_question", "sample_yes_no"]

_TRANSITIVE = [verb for verb in GENERAL if verb.frame.kind == "acc"]
_OF_PERSONS = [verb for verb in _TRANSITIVE if "person" in verb.frame.classes]
_OF_THINGS = [verb for verb in _TRANSITIVE if "person" not in verb.frame.classes]
_DATIVE = [
    verb
    for verb in GENERAL
    if verb.frame.kind == "dat" and verb is not LEXICON.verbs["gehören"]
]
_TO_PLACES = [verb for verb in GENERAL if verb.frame.kind in ("dir", "drive")]
_EVENTS = [verb for verb in GENERAL if verb not in STATES]
_AT_PLACES = [
    verb for verb in GENERAL if verb.frame.kind in ("loc", "seat") or verb.frame.place
]


def sample_yes_no(sampler: Sampler) -> tuple[list[Word], list[Gloss]]:
    """Returns a question like `Hat der Hund geschlafen?` in words."""
    sampler.constructions.add("yes/no question")
    if sampler.chance(0.15):
        clause = sample_copula(sampler)
    else:
        verb = sampler.pick(GENERAL)
        subject = sampler.subject(verb, speaker=False)
        clause = sample_clause(sampler, verb=verb, subject=subject)
    return clause_words(clause, "question")


def sample_question(sampler: Sampler) -> tuple[list[Word], list[Gloss]]:
    """Returns a question with a question word in words."""
    sampler.constructions.add("wh question")
    return sampler.pick(_KINDS)(sampler)


def _word(german, english):
    word = Word(german)
    return Phrase([word], [Gloss(english, (word,))])


def _who(sampler):
    clause = sample_clause(
        sampler, verb=sampler.pick(PERSONAL), subject=Ready(_word("wer", "who"))
    )
    return clause_words(clause, "main")


def _asked(sampler, verbs, without, opener):
    verb = sampler.pick(verbs)
    clause = sample_clause(
        sampler,
        verb=verb,
        subject=sampler.subject(verb, speaker=False),
        without=without,
        small=True,
    )
    return clause_words(clause, "question", opener)


def _what(sampler):
    return _asked(sampler, _OF_THINGS, "accusative", _word("was", "what"))


def _whom(sampler):
    if sampler.chance(0.3):
        return _asked(sampler, _DATIVE, "dative", _word("wem", "whom"))
    return _asked(sampler, _OF_PERSONS, "accusative", _word("wen", "whom"))


def _where(sampler):
    return _asked(sampler, _AT_PLACES, "place", _word("wo", "where"))


def _where_to(sampler):
    return _asked(sampler, _TO_PLACES, "place", _word("wohin", "where"))


def _when(sampler):
    return _asked(sampler, _EVENTS, "time", _word("wann", "when"))


def _why(sampler):
    if sampler.chance(0.2):
        clause = sample_copula(sampler)
        return clause_words(clause, "question", _word("warum", "why"))
    return _asked(sampler, GENERAL, "", _word("warum", "why"))


def _which(sampler):
    verb = sampler.pick(_OF_THINGS)
    noun = sampler.pair(sampler.options.objects[verb])
    nominal = Nominal(noun, "welch", noun.plural is not None and sampler.chance(0.3))
    if sampler.chance(0.2):
        nominal.adjective = sampler.adjective(noun)
    opener = participant_phrase(nominal, "acc")
    if nominal.plural and sampler.chance(0.5):
        opener = _how_many(nominal)
    clause = sample_clause(
        sampler, verb=verb, without="accusative", small=True, bare=True
    )
    return clause_words(clause, "question", opener)


def _how_many(nominal):
    nominal.determiner = ""
    phrase = participant_phrase(nominal, "acc")
    how, many = Word("wie"), Word("viele")
    return Phrase(
        [how, many, *phrase.german],
        [Gloss("how", (how,)), Gloss("many", (many,)), *phrase.english],
    )


_KINDS = (_who, _who, _what, _whom, _where, _where_to, _when, _why, _which)
