"""The verb of a clause in both languages: tense, modals, negation, do-support."""

from typing import NamedTuple

from keras_attn.training.corpora.builtin import english
from keras_attn.training.corpora.builtin.german import (
    REFLEXIVES,
    finite_form,
    infinitive_with_zu,
)
from keras_attn.training.corpora.builtin.lexicon import Verb
from keras_attn.training.corpora.builtin.tokens import Gloss, Word

__all__ = ["MODALS", "VerbGroup", "verb_group", "zu_group"]

# An English auxiliary, or a verb (base, past), then the words before the infinitive.
# `be` asks for am/is/are; the third column tells the two kinds apart.
MODALS = {
    ("können", "present"): ("can", "", ()),
    ("können", "past"): ("could", "", ()),
    ("müssen", "present"): ("must", "", ()),
    ("müssen", "past"): ("have", "had", ("to",)),
    ("wollen", "present"): ("want", "wanted", ("to",)),
    ("wollen", "past"): ("want", "wanted", ("to",)),
    ("sollen", "present"): ("should", "", ()),
    ("dürfen", "present"): ("may", "", ()),
    ("dürfen", "past"): ("be", "", ("allowed", "to")),
    ("möchten", "present"): ("would", "", ("like", "to")),
}


class VerbGroup(NamedTuple):
    """The verbal words: German brackets, English auxiliary and verb.

    `finite` is the German left bracket (None with `zu`), `right` the right one.
    `auxiliary` is the English word that inverts in questions and takes `not`.
    """

    finite: Word | None
    right: list[Word]
    reflexive: list[Word]
    auxiliary: list[Gloss]
    verb: list[Gloss]


def verb_group(
    verb: Verb,
    tense: str,
    modal: str | None,
    person: int,
    *,
    final: bool,
    inverted: bool,
    negation: Word | None,
) -> VerbGroup:
    """Returns the verbal words of a finite clause.

    Args:
        verb: The lexical verb.
        tense: `present`, `past`, `perfect` or `future`; with a modal one of the
            first two.
        modal: A key of `MODALS` without its tense, or None.
        person: 0 to 5, the subject's.
        final: Whether the finite verb ends the clause (the prefix stays attached).
        inverted: Whether English puts the auxiliary before the subject.
        negation: `nicht` or `kein`, or None.

    Returns:
        The words with their links.
    """
    finite, core, right = _german_words(verb, tense, modal, person, final)
    prefix = right[-1] if core is finite and right else None
    reflexive = [Word(REFLEXIVES[person])] if verb.reflexive else []
    helpers = [finite] if tense == "perfect" else []
    around = (*helpers, *([prefix] if prefix else []), *reflexive)
    content = _Content(verb, core, prefix, around)
    build = _English(content, finite, person, inverted, negation)
    if modal:
        auxiliary, words = build.modal(modal, tense)
    elif tense == "future":
        auxiliary = [Gloss("will", (finite,))]
        words = content.glosses(verb.english)
    else:
        past = "past" if tense in ("past", "perfect") else "present"
        auxiliary, words = build.simple(past)
    return VerbGroup(finite, right, reflexive, auxiliary, words)


def zu_group(verb: Verb, person: int) -> VerbGroup:
    """Returns the verbal words of an infinitive with `zu`."""
    words = [Word(text) for text in infinitive_with_zu(verb)]
    reflexive = [Word(REFLEXIVES[person])] if verb.reflexive else []
    content = _Content(verb, words[-1], None, tuple(reflexive))
    to = Gloss("to", (words[0],))
    return VerbGroup(None, words, reflexive, [], [to, *content.glosses(verb.english)])


class _Content(NamedTuple):
    verb: Verb
    core: Word
    prefix: Word | None
    around: tuple[Word, ...]  # perfect auxiliary, prefix, reflexive: possible links

    def glosses(self, form):
        """The English words; `+up` translates the prefix if it stands alone."""
        tail = self.verb.english_tail
        carried = any(text[0] == "+" for text in tail)
        around = tuple(
            word for word in self.around if not (carried and word is self.prefix)
        )
        glosses = [Gloss(form, (self.core,), around)]
        for text in tail:
            word = self.prefix if self.prefix and text[0] == "+" else self.core
            glosses.append(Gloss(text.lstrip("+"), (word,)))
        return glosses


class _English(NamedTuple):
    """Builds the English auxiliary and verb of a finite clause."""

    content: _Content
    finite: Word
    person: int
    inverted: bool
    negation: Word | None

    def simple(self, tense):
        """Simple present or past, with `do` where a question or `not` needs it."""
        verb = self.content.verb
        if verb.english == "be":
            text = english.be_form(tense, self.person)
            return [Gloss(text, (self.finite,), self.content.around)], []
        auxiliary, form = self._supported(verb.english, verb.english_past, tense)
        return auxiliary, self.content.glosses(form)

    def modal(self, modal, tense):
        """An English modal, or a verb such as `want to` that stands for one."""
        kind, kind_past, links = MODALS[modal, tense]
        if (modal, tense) == ("müssen", "present") and self.negation:
            kind, kind_past, links = MODALS["müssen", "past"]
        tail = [
            Gloss(text, (), (self.finite, self.content.core))
            if text == "to"
            else Gloss(text, (self.finite,))
            for text in links
        ]
        tail += self.content.glosses(self.content.verb.english)
        if kind_past:
            auxiliary, form = self._supported(kind, kind_past, tense)
            return auxiliary, [Gloss(form, (self.finite,)), *tail]
        if kind == "can" and self.negation and not self.inverted:
            return [Gloss("cannot", (self.finite,), (self.negation,))], tail
        text = english.be_form(tense, self.person) if kind == "be" else kind
        return [Gloss(text, (self.finite,))], tail

    def _supported(self, base, irregular, tense):
        """The auxiliary `do` if it is needed, and the form that the verb then has."""
        if self.inverted or self.negation:
            past = tense == "past"
            form = "did" if past else english.present_form("do", self.person)
            # `do` has no counterpart; it may count with what brings it about.
            words = dict.fromkeys((self.finite, self.content.core, self.negation))
            return [Gloss(form, (), tuple(word for word in words if word))], base
        if tense == "past":
            return [], english.past_form(base, irregular)
        return [], english.present_form(base, self.person)


def _german_words(verb, tense, modal, person, final):
    """The finite verb, the verb that carries the meaning, and the right bracket."""
    if modal or tense == "future":
        finite = Word(
            finite_form(modal or "werden", tense if modal else "present", person)
        )
        core = Word(verb.prefix + verb.infinitive)
        return finite, core, [core]
    if tense == "perfect":
        finite = Word(finite_form(verb.auxiliary, "present", person))
        core = Word(verb.participle)
        return finite, core, [core]
    form = finite_form(verb, tense, person)
    if final or not verb.prefix:
        finite = Word(verb.prefix + form)
        return finite, finite, []
    finite = Word(form)
    return finite, finite, [Word(verb.prefix)]
