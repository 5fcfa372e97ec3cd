"""Paradigms written out by hand, as a grammar book has them."""

import pytest

from keras_attn.training.corpora.builtin import english, german
from keras_attn.training.corpora.builtin.lexicon import LEXICON
from keras_attn.training.corpora.builtin.phrases import Nominal, participant_phrase

CASES = ("nom", "acc", "dat", "gen")

NOUN_PHRASES = [
    # noun, determiner, plural, adjective: nominative, accusative, dative, genitive
    (
        ("Hund", "der", False, "alt"),
        "der alte Hund|den alten Hund|dem alten Hund|des alten Hundes",
    ),
    (
        ("Frau", "der", False, "alt"),
        "die alte Frau|die alte Frau|der alten Frau|der alten Frau",
    ),
    (
        ("Haus", "der", False, "alt"),
        "das alte Haus|das alte Haus|dem alten Haus|des alten Hauses",
    ),
    (
        ("Kind", "der", True, "alt"),
        "die alten Kinder|die alten Kinder|den alten Kindern|der alten Kinder",
    ),
    (
        ("Mantel", "ein", False, "neu"),
        "ein neuer Mantel|einen neuen Mantel|einem neuen Mantel|eines neuen Mantels",
    ),
    (
        ("Lampe", "ein", False, "neu"),
        "eine neue Lampe|eine neue Lampe|einer neuen Lampe|einer neuen Lampe",
    ),
    (
        ("Auto", "kein", False, "neu"),
        "kein neues Auto|kein neues Auto|keinem neuen Auto|keines neuen Autos",
    ),
    (
        ("Auto", "kein", True, "teuer"),
        "keine teuren Autos|keine teuren Autos|keinen teuren Autos|keiner teuren Autos",
    ),
    (
        ("Junge", "dies", False, "dunkel"),
        "dieser dunkle Junge|diesen dunklen Jungen|diesem dunklen Jungen|"
        "dieses dunklen Jungen",
    ),
    (
        ("Tasche", "euer", False, "müde"),
        "eure müde Tasche|eure müde Tasche|eurer müden Tasche|eurer müden Tasche",
    ),
    (
        ("Kaffee", "", False, "kalt"),
        "kalter Kaffee|kalten Kaffee|kaltem Kaffee|kalten Kaffees",
    ),
    (
        ("Milch", "", False, "kalt"),
        "kalte Milch|kalte Milch|kalter Milch|kalter Milch",
    ),
    (
        ("Brot", "", False, "frisch"),
        "frisches Brot|frisches Brot|frischem Brot|frischen Brotes",
    ),
    (
        ("Turm", "drei", True, "hoch"),
        "drei hohe Türme|drei hohe Türme|drei hohen Türmen|drei hoher Türme",
    ),
    (
        ("Nachbar", "all", True, "jung"),
        "alle jungen Nachbarn|alle jungen Nachbarn|allen jungen Nachbarn|"
        "aller jungen Nachbarn",
    ),
]


@pytest.mark.parametrize(("choice", "forms"), NOUN_PHRASES)
def test_german_noun_phrases(choice, forms):
    noun, determiner, plural, adjective = choice
    nominal = Nominal(
        LEXICON.nouns[noun], determiner, plural, LEXICON.adjectives[adjective]
    )
    got = []
    for case in CASES:
        words = participant_phrase(nominal, case).german
        got.append(" ".join(word.text for word in words))
    assert got == forms.split("|")


VERBS = {
    # present, then past: ich du er wir ihr sie; participle
    "lesen": "lese liest liest lesen lest lesen|las last lasen|gelesen",
    "fahren": "fahre fährst fährt fahren fahrt fahren|fuhr fuhrst fuhren|gefahren",
    "geben": "gebe gibst gibt geben gebt geben|gab gabst gaben|gegeben",
    "aufstehen": "stehe stehst steht stehen steht stehen"
    "|stand standest standen|aufgestanden",
    "einladen": "lade lädst lädt laden ladet laden|lud ludest luden|eingeladen",
    "warten": "warte wartest wartet warten wartet warten"
    "|wartete wartetest warteten|gewartet",
    "wohnen": "wohne wohnst wohnt wohnen wohnt wohnen|wohnte wohntest wohnten|gewohnt",
    "öffnen": "öffne öffnest öffnet öffnen öffnet öffnen"
    "|öffnete öffnetest öffneten|geöffnet",
    "zeichnen": "zeichne zeichnest zeichnet zeichnen zeichnet zeichnen"
    "|zeichnete zeichnetest zeichneten|gezeichnet",
    "putzen": "putze putzt putzt putzen putzt putzen|putzte putztest putzten|geputzt",
    "klettern": "klettere kletterst klettert klettern klettert klettern"
    "|kletterte klettertest kletterten|geklettert",
    "wissen": "weiß weißt weiß wissen wisst wissen|wusste wusstest wussten|gewusst",
    "vergessen": "vergesse vergisst vergisst vergessen vergesst vergessen"
    "|vergaß vergaßest vergaßen|vergessen",
    "schneiden": "schneide schneidest schneidet schneiden schneidet schneiden"
    "|schnitt schnittest schnitten|geschnitten",
    "bringen": "bringe bringst bringt bringen bringt bringen"
    "|brachte brachtest brachten|gebracht",
    "fotografieren": "fotografiere fotografierst fotografiert fotografieren "
    "fotografiert fotografieren"
    "|fotografierte fotografiertest fotografierten|fotografiert",
    "anprobieren": "probiere probierst probiert probieren probiert probieren"
    "|probierte probiertest probierten|anprobiert",
    "besuchen": "besuche besuchst besucht besuchen besucht besuchen"
    "|besuchte besuchtest besuchten|besucht",
    "teilnehmen": "nehme nimmst nimmt nehmen nehmt nehmen"
    "|nahm nahmst nahmen|teilgenommen",
    "sein": "bin bist ist sind seid sind|war warst waren|gewesen",
    "haben": "habe hast hat haben habt haben|hatte hattest hatten|gehabt",
}


@pytest.mark.parametrize("lemma", VERBS)
def test_german_verbs(lemma):
    verb = LEXICON.verbs[lemma]
    present, past, participle = VERBS[lemma].split("|")
    got = [german.finite_form(verb, "present", person) for person in range(6)]
    assert got == present.split()
    got = [german.finite_form(verb, "past", person) for person in (0, 1, 3)]
    # "du lasest" is the older, fuller form of "du last": both are right.
    assert got == past.replace(" last", " lasest").split()
    assert german.finite_form(verb, "past", 2) == got[0]
    assert german.finite_form(verb, "past", 5) == got[2]
    assert verb.participle == participle


def test_modals_and_auxiliaries():
    def forms(verb, tense):
        return " ".join(german.finite_form(verb, tense, i) for i in range(6))

    assert forms("müssen", "present") == "muss musst muss müssen müsst müssen"
    assert forms("dürfen", "past") == ("durfte durftest durfte durften durftet durften")
    assert forms("werden", "present") == "werde wirst wird werden werdet werden"


@pytest.mark.parametrize(
    ("lemma", "genitive", "dative_plural"),
    [
        ("Mann", "Mannes", "Männern"),
        ("Lehrer", "Lehrers", "Lehrern"),
        ("König", "Königs", "Königen"),
        ("Auto", "Autos", "Autos"),
        ("Bus", "Busses", "Bussen"),
        ("Park", "Parks", "Parks"),
        ("Schloss", "Schlosses", "Schlössern"),
        ("Mädchen", "Mädchens", "Mädchen"),
        ("Student", "Studenten", "Studenten"),
        ("Schwester", "Schwester", "Schwestern"),
        ("Kinderbuch", "Kinderbuchs", "Kinderbüchern"),
    ],
)
def test_genitive_and_dative_plural(lemma, genitive, dative_plural):
    noun = LEXICON.nouns[lemma]
    assert german.noun_form(noun, "gen", False) == genitive
    assert german.noun_form(noun, "dat", True) == dative_plural


def test_a_mass_noun_has_no_plural():
    with pytest.raises(ValueError, match=r"no plural\. Received: noun='Milch'"):
        german.noun_form(LEXICON.nouns["Milch"], "nom", True)


def test_infinitive_with_zu():
    assert german.infinitive_with_zu(LEXICON.verbs["lesen"]) == ["zu", "lesen"]
    assert german.infinitive_with_zu(LEXICON.verbs["aufräumen"]) == ["aufzuräumen"]


def test_pronouns():
    assert [german.pronoun_form(p, "dat") for p in ("1s", "m", "f", "3p")] == [
        "mir", "ihm", "ihr", "ihnen",
    ]  # fmt: skip
    assert [english.pronoun_form(p, "poss") for p in ("1s", "m", "f", "3p")] == [
        "my", "his", "her", "their",
    ]  # fmt: skip
    assert german.relative_pronoun("dat", "p") == "denen"


@pytest.mark.parametrize(
    ("lemma", "plural"),
    [
        ("Maus", "mice"), ("Gans", "geese"), ("Schaf", "sheep"), ("Mann", "men"),
        ("Frau", "women"), ("Kind", "children"), ("Dieb", "thieves"),
        ("Messer", "knives"), ("Regal", "shelves"), ("Tomate", "tomatoes"),
        ("Stadt", "cities"), ("Kirche", "churches"), ("Schachtel", "boxes"),
        ("Schlüssel", "keys"), ("Erdbeere", "strawberries"), ("Bus", "buses"),
        ("Schulbus", "school buses"), ("Kinderbuch", "children's books"),
    ],
)  # fmt: skip
def test_english_plurals(lemma, plural):
    assert " ".join(LEXICON.nouns[lemma].english_plural) == plural


@pytest.mark.parametrize(
    ("lemma", "third", "past"),
    [
        ("lesen", "reads", "read"), ("tragen", "wears", "wore"),
        ("weinen", "cries", "cried"), ("kaufen", "buys", "bought"),
        ("gehen", "goes", "went"), ("haben", "has", "had"),
        ("verstecken", "hides", "hid"), ("waschen", "washes", "washed"),
        ("planen", "plans", "planned"), ("fliegen", "flies", "flew"),
        ("besuchen", "visits", "visited"), ("schneiden", "cuts", "cut"),
        ("spielen", "plays", "played"), ("retten", "rescues", "rescued"),
        ("liegen", "lies", "lay"), ("einkaufen", "shops", "shopped"),
    ],
)  # fmt: skip
def test_english_verbs(lemma, third, past):
    verb = LEXICON.verbs[lemma]
    assert english.present_form(verb.english, 2) == third
    assert english.past_form(verb.english, verb.english_past) == past


def test_indefinite_articles_of_every_word_they_may_precede():
    an = {
        word
        for group in (LEXICON.nouns, LEXICON.adjectives)
        for entry in group.values()
        for word in entry.english[:1]
        if english.indefinite_article(word) == "an"
    }
    assert {"apple", "uncle", "honest", "egg", "umbrella", "interesting"} <= an
    assert not {"useful", "house", "hungry", "white", "yellow"} & an
