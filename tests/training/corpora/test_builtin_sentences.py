"""Golden sentences: fixed choices, text and alignment written by hand."""

import re

import pytest

from keras_attn.training.corpora.builtin.clause import (
    Clause,
    Place,
    Predicate,
    clause_words,
    infinitive_words,
)
from keras_attn.training.corpora.builtin.lexicon import LEXICON
from keras_attn.training.corpora.builtin.phrases import (
    Coordination,
    Nominal,
    Pronoun,
    Ready,
)
from keras_attn.training.corpora.builtin.tokens import (
    Gloss,
    Phrase,
    Word,
    comma,
    finish,
)

N, V, A = LEXICON.nouns, LEXICON.verbs, LEXICON.adjectives
TIMES = {" ".join(entry.german): entry for entry in LEXICON.times}
TOKEN = re.compile(r"[^\W_]+(?:['\u2019\-][^\W_]+)*|[^\w\s]|_")


def opener(german, english):
    word = Word(german)
    return Phrase([word], [Gloss(text, (word,)) for text in english.split()])


def the(noun, **choices):
    return Nominal(N[noun], **choices)


def a(noun, **choices):
    return Nominal(N[noun], "ein", **choices)


SIMPLE = {
    "verb second": (
        Clause(
            the("Mann"), V["lesen"], accusative=the("Buch"),
            time=TIMES["jeden Tag"], first="time",
        ),
        "main",
        "Jeden Tag liest der Mann das Buch.",
        "Every day the man reads the book.",
        "0-0 1-1 3-2 4-3 2-4 5-5 6-6 7-7",
    ),
    "perfect bracket": (
        Clause(
            the("Frau"), V["kaufen"], "perfect", accusative=a("Apfel"),
            time=TIMES["gestern"],
        ),
        "main",
        "Die Frau hat gestern einen Apfel gekauft.",
        "The woman bought an apple yesterday.",
        "0-0 1-1 6-2 2p2 4-3 5-4 3-5 7-6",
    ),
    "separable, particle": (
        Clause(the("Hund"), V["aufstehen"]),
        "main",
        "Der Hund steht auf.",
        "The dog gets up.",
        "0-0 1-1 2-2 3-3 4-4",
    ),
    "separable, one English verb": (
        Clause(Pronoun("m"), V["anrufen"], "past", accusative=Pronoun("1s")),
        "main",
        "Er rief mich an.",
        "He called me.",
        "0-0 1-1 3p1 2-2 4-3",
    ),
    "separable participle": (
        Clause(the("Hund"), V["aufstehen"], "perfect"),
        "main",
        "Der Hund ist aufgestanden.",
        "The dog got up.",
        "0-0 1-1 3-2 2p2 3-3 4-4",
    ),
    "nicht": (
        Clause(
            Pronoun("1s"), V["sehen"], "perfect", negated=True, accusative=the("Bär")
        ),
        "main",
        "Ich habe den Bären nicht gesehen.",
        "I did not see the bear.",
        "0-0 1p1 5p1 4p1 4-2 5-3 1p3 2-4 3-5 6-6",
    ),
    "kein": (
        Clause(the("Kind"), V["trinken"], negated=True,
               accusative=Nominal(N["Milch"], "")),
        "main",
        "Das Kind trinkt keine Milch.",
        "The child does not drink any milk.",
        "0-0 1-1 2p2 3p2 3-3 2-4 3-5 4-6 5-7",
    ),
    "modal": (
        Clause(Pronoun("f"), V["bauen"], modal="wollen", accusative=a("Haus")),
        "main",
        "Sie will ein Haus bauen.",
        "She wants to build a house.",
        "0-0 1-1 1p2 4p2 4-3 2-4 3-5 5-6",
    ),
    "cannot": (
        Clause(Pronoun("1p"), V["singen"], modal="können", negated=True),
        "main",
        "Wir können nicht singen.",
        "We cannot sing.",
        "0-0 1-1 2p1 3-2 4-3",
    ),
    "must not becomes need not": (
        Clause(Pronoun("2s"), V["warten"], modal="müssen", negated=True,
               prepositional=the("Zug")),
        "main",
        "Du musst nicht auf den Zug warten.",
        "You do not have to wait for the train.",
        "0-0 1p1 6p1 2p1 2-2 1-3 1p4 6p4 6-5 3-6 4-7 5-8 7-9",
    ),
    "was allowed to": (
        Clause(Pronoun("3p"), V["tanzen"], "past", modal="dürfen"),
        "main",
        "Sie durften tanzen.",
        "They were allowed to dance.",
        "0-0 1-1 1-2 1p3 2p3 2-4 3-5",
    ),
    "future": (
        Clause(the("Prinz", plural=True), V["helfen"], "future", dative=the("Bauer"),
               time=TIMES["morgen"]),
        "main",
        "Die Prinzen werden morgen dem Bauern helfen.",
        "The princes will help the farmer tomorrow.",
        "0-0 1-1 2-2 6-3 4-4 5-5 3-6 7-7",
    ),
    "compound": (
        Clause(Pronoun("m"), V["aufräumen"], "past", accusative=the("Wohnzimmer")),
        "main",
        "Er räumte das Wohnzimmer auf.",
        "He tidied up the living room.",
        "0-0 1-1 4-2 2-3 3-4 3-5 5-6",
    ),
    "object first": (
        Clause(the("Katze"), V["sehen"], accusative=the("Vogel"), first="accusative"),
        "main",
        "Den Vogel sieht die Katze.",
        "The cat sees the bird.",
        "3-0 4-1 2-2 0-3 1-4 5-5",
    ),
    "yes/no question": (
        Clause(the("Junge"), V["schlafen"], "perfect"),
        "question",
        "Hat der Junge geschlafen?",
        "Did the boy sleep?",
        "0p0 3p0 1-1 2-2 3-3 0p3 4-4",
    ),
    "wh question": (
        Clause(Pronoun("2p"), V["kochen"]),
        ("question", opener("was", "what")),
        "Was kocht ihr?",
        "What do you cook?",
        "0-0 1p1 2-2 1-3 3-4",
    ),
    "place": (
        Clause(the("Katze"), V["liegen"],
               place=Place("unter", ("under",), the("Tisch"), "dat")),
        "main",
        "Die Katze liegt unter dem Tisch.",
        "The cat lies under the table.",
        "0-0 1-1 2-2 3-3 4-4 5-5 6-6",
    ),
    "direction, contraction, possessive": (
        Clause(Pronoun("f"), V["legen"],
               accusative=Nominal(N["Ball"], "ihr/f"),
               place=Place("in", ("into",), the("Regal"), "acc")),
        "main",
        "Sie legt ihren Ball ins Regal.",
        "She puts her ball into the shelf.",
        "0-0 1-1 2-2 3-3 4-4 4-5 5-6 6-7",
    ),
    "two objects": (
        Clause(LEXICON.names["Anna"], V["geben"], "past", dative=the("Kind"),
               accusative=a("Ball", adjective=A["rot"])),
        "main",
        "Anna gab dem Kind einen roten Ball.",
        "Anna gave the child a red ball.",
        "0-0 1-1 2-2 3-3 4-4 5-5 6-6 7-7",
    ),
    "genitive of a person": (
        Clause(the("Auto", owner=the("Lehrer")), V["sein"],
               predicate=Predicate(A["neu"], very=True)),
        "main",
        "Das Auto des Lehrers ist sehr neu.",
        "The teacher's car is very new.",
        "2-0 0p0 3-1 1-2 4-3 5-4 6-5 7-6",
    ),
    "genitive of a thing": (
        Clause(the("Dach", owner=the("Kirche")), V["sein"], "past",
               predicate=Predicate(A["rot"]), negated=True),
        "main",
        "Das Dach der Kirche war nicht rot.",
        "The roof of the church was not red.",
        "0-0 1-1 2p2 2-3 3-4 4-5 5-6 6-7 7-8",
    ),
    "comparative": (
        Clause(LEXICON.names["Peter"], V["sein"],
               predicate=Predicate(A["berühmt"], than=the("König"))),
        "main",
        "Peter ist berühmter als der König.",
        "Peter is more famous than the king.",
        "0-0 1-1 2-2 2-3 3-4 4-5 5-6 6-7",
    ),
    "reflexive": (
        Clause(Pronoun("1s"), V["sich ausruhen"]),
        "main",
        "Ich ruhe mich aus.",
        "I rest.",
        "0-0 1-1 2p1 3p1 4-2",
    ),
    "coordinated subject": (
        Clause(Coordination(LEXICON.names["Eva"], the("Student")), V["lachen"],
               prepositional=the("Esel", plural=True)),
        "main",
        "Eva und der Student lachen über die Esel.",
        "Eva and the student laugh at the donkeys.",
        "0-0 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8",
    ),
    "days ago": (
        Clause(Pronoun("m"), V["zurückkommen"], "perfect",
               time=TIMES["vor zwei Tagen"]),
        "main",
        "Er ist vor zwei Tagen zurückgekommen.",
        "He came back two days ago.",
        "0-0 5-1 1p1 5-2 3-3 4-4 2-5 6-6",
    ),
}  # fmt: skip


def links(alignment):
    return sorted(alignment.split())


def check(pair, german, english, alignment):
    assert pair.source == german
    assert pair.target == english
    assert links(pair.alignment) == links(alignment), described(pair)


def described(pair):
    source, target = TOKEN.findall(pair.source), TOKEN.findall(pair.target)
    return [
        f"{target[int(j)]}{kind}{source[int(i)]}"
        for i, kind, j in re.findall(r"(\d+)([-p])(\d+)", pair.alignment)
    ]


@pytest.mark.parametrize("name", SIMPLE)
def test_simple(name):
    clause, order, german, english, alignment = SIMPLE[name]
    arguments = order if isinstance(order, tuple) else (order,)
    mark = "?" if arguments[0] == "question" else "."
    check(finish(*clause_words(clause, *arguments), mark), german, english, alignment)


def test_subordinate_clause_after_its_main_clause():
    main = clause_words(Clause(Pronoun("1s"), V["bleiben"], "perfect"), "main")
    because = Clause(the("Bus"), V["abfahren"], "perfect")
    german, english = clause_words(because, "final", opener("weil", "because"))
    check(
        finish([*main[0], Word(","), *german], main[1] + english, "."),
        "Ich bin geblieben, weil der Bus abgefahren ist.",
        "I stayed because the bus departed.",
        "0-0 2-1 1p1 4-2 5-3 6-4 7-5 8p5 9-6",
    )


def test_fronted_subordinate_clause_inverts_the_main_clause():
    german, english = clause_words(
        Clause(the("Baby"), V["aufwachen"]), "final", opener("sobald", "as soon as")
    )
    mark, gloss = comma()
    main = clause_words(Clause(Pronoun("1p"), V["frühstücken"], "future"), "inverted")
    check(
        finish([*german, mark, *main[0]], [*english, gloss, *main[1]], "."),
        "Sobald das Baby aufwacht, werden wir frühstücken.",
        "As soon as the baby wakes up, we will have breakfast.",
        "0-0 0-1 0-2 1-3 2-4 3-5 3-6 4-7 6-8 5-9 7-10 7-11 8-12",
    )


def test_that_clause_with_a_modal():
    matrix = clause_words(Clause(the("Arzt"), V["glauben"]), "main")
    inner = Clause(
        Pronoun("3p"), V["reparieren"], modal="können", accusative=the("Polizeiauto")
    )
    german, english = clause_words(inner, "final", opener("dass", "that"))
    check(
        finish([*matrix[0], Word(","), *german], matrix[1] + english, "."),
        "Der Arzt glaubt, dass sie das Polizeiauto reparieren können.",
        "The doctor believes that they can repair the police car.",
        "0-0 1-1 2-2 4-3 5-4 9-5 8-6 6-7 7-8 7-9 10-10",
    )


def test_relative_clause_between_subject_and_verb():
    pronoun = Word("die")
    who = Ready(Phrase([pronoun], [Gloss("who", (pronoun,))]))
    german, english = clause_words(
        Clause(who, V["schreiben"], accusative=a("Brief")), "final"
    )
    der, noun = Word("die"), Word("Frau")
    subject = Phrase(
        [der, noun, Word(","), *german, Word(",", soft=True)],
        [Gloss("the", (der,)), Gloss("woman", (noun,)), *english],
    )
    clause = Clause(Ready(subject), V["einschlafen"], "past")
    check(
        finish(*clause_words(clause, "main"), "."),
        "Die Frau, die einen Brief schreibt, schlief ein.",
        "The woman who writes a letter fell asleep.",
        "0-0 1-1 3-2 6-3 4-4 5-5 8-6 9-7 10-8",
    )


def test_a_soft_comma_gives_way_to_the_final_mark():
    words = [Word("ja"), Word(",", soft=True)]
    pair = finish(words, [Gloss("yes", (words[0],))], ".")
    assert pair.source == "Ja."
    assert pair.alignment == "0-0 1-1"


def test_infinitive_of_purpose():
    main = clause_words(Clause(Pronoun("m"), V["gehen"], "past"), "main")
    doing = Clause(Pronoun("m"), V["abholen"], accusative=the("Gast"))
    german, english = infinitive_words(doing, 2, opener("um", "in order"))
    check(
        finish([*main[0], Word(","), *german], main[1] + english, "."),
        "Er ging, um den Gast abzuholen.",
        "He went in order to pick up the guest.",
        "0-0 1-1 3-2 3-3 6-4 6-5 6-6 4-7 5-8 7-9",
    )


def test_shared_subject():
    first = clause_words(
        Clause(the("Mann"), V["kochen"], accusative=the("Suppe")), "main"
    )
    german, english = clause_words(
        Clause(the("Mann"), V["trinken"], negated=True,
               accusative=Nominal(N["Wein"], "")),
        "shared",
    )  # fmt: skip
    both = opener("und", "and")
    check(
        finish(first[0] + both.german + german, first[1] + both.english + english, "."),
        "Der Mann kocht die Suppe und trinkt keinen Wein.",
        "The man cooks the soup and does not drink any wine.",
        "0-0 1-1 2-2 3-3 4-4 5-5 6p6 7p6 7-7 6-8 7-9 8-10 9-11",
    )
