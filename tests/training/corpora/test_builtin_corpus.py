"""Properties of the generated pairs and of the split."""

import collections
import itertools
import os
import re
import subprocess
import sys
import zlib

import pytest

from keras_attn.training.corpora.builtin import (
    GeneratedPair,
    generate,
    generate_labelled,
    lexeme_count,
    split_of,
)
from keras_attn.training.corpora.builtin.german import finite_form, noun_form
from keras_attn.training.corpora.builtin.lexicon import LEXICON
from keras_attn.training.corpora.builtin.split import options

TOKEN = re.compile(r"[^\W_]+(?:['\u2019\-][^\W_]+)*|[^\w\s]|_")
LINK = re.compile(r"(\d+)([-p])(\d+)")
CONSTRUCTIONS = {
    "adjective", "comparative", "compound", "coordination", "dative", "direction",
    "future", "genitive", "infinitive", "inversion", "kein", "long", "modal",
    "n-declension", "nicht", "object first", "past", "perfect", "present",
    "reflexive", "relative", "reported", "separable", "subordinate", "verb-final",
    "wh question", "yes/no question",
}  # fmt: skip


@pytest.fixture(scope="module")
def many_labelled():
    return list(generate_labelled("train", 20_000))


@pytest.fixture(scope="module")
def labelled(many_labelled):
    return many_labelled[:5000]


@pytest.fixture(scope="module")
def train(labelled):
    return [pair for pair, _ in labelled]


@pytest.fixture(scope="module")
def held_out():
    return {name: list(generate(name, 1000)) for name in ("validation", "test")}


@pytest.fixture(scope="module")
def every(train, held_out):
    return train + held_out["validation"] + held_out["test"]


def parsed(pair):
    links = [(int(i), kind, int(j)) for i, kind, j in LINK.findall(pair.alignment)]
    assert " ".join(f"{i}{kind}{j}" for i, kind, j in links) == pair.alignment
    return links


def test_length_and_links(every):
    """Tokens as the alignment counts them; each target word linked, once at most."""
    for pair in every:
        source, target = TOKEN.findall(pair.source), TOKEN.findall(pair.target)
        links = parsed(pair)
        assert 3 <= len(source) <= 40, pair
        assert 3 <= len(target) <= 40, pair
        assert all(i < len(source) and j < len(target) for i, _, j in links), pair
        assert {j for _, _, j in links} == set(range(len(target))), pair
        assert len({(i, j) for i, _, j in links}) == len(links), pair
        sure = collections.Counter(j for _, kind, j in links if kind == "-")
        assert max(sure.values()) == 1, pair
        unlinked = set(range(len(source))) - {i for i, _, _ in links}
        assert {source[i] for i in unlinked} <= {","}, pair


def test_average_and_long_lengths(train):
    lengths = [len(TOKEN.findall(pair.source)) for pair in train]
    assert 9 <= sum(lengths) / len(lengths) <= 12
    assert 0.005 < sum(length >= 25 for length in lengths) / len(lengths) < 0.05


def test_final_mark_is_linked_to_final_mark(every):
    for pair in every:
        last = parsed(pair)[-1]
        assert last[0] == len(TOKEN.findall(pair.source)) - 1
        assert last[1:] == ("-", len(TOKEN.findall(pair.target)) - 1)


def test_a_perfect_aligner_with_one_link_a_word_scores_nearly_zero(every):
    hits = total = 0
    for pair in every:
        links = parsed(pair)
        sure = {(i, j) for i, kind, j in links if kind == "-"}
        best = {}
        for i, kind, j in links:
            if j not in best or kind == "-":
                best[j] = (i, j)
        chosen = set(best.values())
        hits += len(chosen & sure) + len(chosen)
        total += len(chosen) + len(sure)
    assert 1 - hits / total <= 0.03


def test_spelling_of_the_sentences(every):
    for pair in every:
        for text in (pair.source, pair.target):
            assert text[0].isupper()
            assert text[-1] in ".?"
            assert not re.search(r"\s[,.?]|\s\s|[,.?]{2}|,\S", text), text
        assert (pair.source[-1] == "?") == (pair.target[-1] == "?")
    nouns = {noun.lemma for noun in LEXICON.nouns.values()}
    lower = {noun.lower() for noun in nouns}
    words = {word for pair in every for word in TOKEN.findall(pair.source)[1:]}
    # Forms of fragen, planen, jung and schließen look like nouns without a capital.
    assert (words & lower) <= {"frage", "plane", "junge", "schloss"}


def test_english_articles_suit_the_next_word(every):
    for pair in every:
        for article, word in re.findall(r"\b([Aa]n?) (\w+)", pair.target):
            vowel = word[0] in "aeiou" and not word.startswith("use")
            assert (article.lower() == "an") == (vowel or word in ("honest", "hour")), (
                pair
            )
        assert "an a lot" not in pair.target


def test_english_verbs_agree_with_pronouns(every):
    plural = r"(?:We|They|You) (?:is|was|has|does|goes|buys|sees)\b"
    singular = r"(?:He|She|It) (?:are|were|have|do|go|buy|see|must [a-z]+s)\b"
    for pair in every:
        assert not re.match(f"{plural}|{singular}", pair.target), pair.target


def test_every_construction_occurs(labelled):
    counts = collections.Counter(name for _, names in labelled for name in names)
    assert set(counts) == CONSTRUCTIONS
    rare = {name: n for name, n in counts.items() if n < 0.01 * len(labelled)}
    assert rare == {}


def test_the_same_seed_gives_the_same_pairs():
    first, again = (list(generate("train", 200, seed=3)) for _ in range(2))
    assert first == again
    assert list(generate("train", 100, seed=3)) == first[:100]
    other = list(generate("train", 200, seed=4))
    assert len(set(first) & set(other)) < 20


def test_hash_randomisation_changes_nothing():
    code = (
        "from keras_attn.training.corpora.builtin import generate\n"
        "import zlib\n"
        "print(zlib.crc32(repr(list(generate('test', 200))).encode()))"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(prints) == 1


def test_no_sentence_twice_and_none_in_two_splits(train, held_out):
    splits = [train, *held_out.values()]
    for pairs in splits:
        assert len({pair.source for pair in pairs}) == len(pairs)
    texts = [{pair.source for pair in pairs} for pairs in splits]
    assert len(set().union(*texts)) == sum(map(len, texts))


def test_one_source_has_one_translation(every):
    again = list(generate("train", 5000, seed=1))
    translations = {}
    for pair in every + again:
        assert translations.setdefault(pair.source, pair.target) == pair.target


def test_the_split_rule_is_the_documented_one():
    def owner(head, noun):
        return {0: "test", 1: "validation"}.get(
            zlib.crc32(f"{head}|{noun}".encode()) % 20, "train"
        )

    verbs, nouns = list(LEXICON.verbs), list(LEXICON.nouns)
    sample = [(verb, noun) for verb in verbs[:40] for noun in nouns[:40]]
    assert all(split_of(*pair) == owner(*pair) for pair in sample)
    shares = collections.Counter(owner(*pair) for pair in sample)
    assert shares["test"] / len(sample) == pytest.approx(0.05, abs=0.02)
    assert shares["validation"] / len(sample) == pytest.approx(0.05, abs=0.02)


def noun_lemmas():
    """Every surface form of a noun, and the noun it belongs to."""
    forms = {}
    for noun in LEXICON.nouns.values():
        for case in ("nom", "acc", "dat", "gen"):
            forms[noun_form(noun, case, False)] = noun.lemma
            if noun.plural:
                forms[noun_form(noun, case, True)] = noun.lemma
    return forms


def adjective_lemmas():
    return {
        entry.stem + ending: entry.lemma
        for entry in LEXICON.adjectives.values()
        for ending in ("e", "er", "es", "en", "em")
    }


def described(pair, nouns, adjectives):
    """The adjective-noun combinations that stand side by side in the text."""
    words = TOKEN.findall(pair.source)
    for first, second in itertools.pairwise(words):
        first = first if first in adjectives else first.lower()
        if first in adjectives and second in nouns:
            yield adjectives[first], nouns[second]


def test_adjectives_in_the_text_keep_to_their_split(train, held_out):
    nouns, adjectives = noun_lemmas(), adjective_lemmas()
    splits = {"train": train, **held_out}
    for name, pairs in splits.items():
        owners = collections.Counter(
            split_of(*combination)
            for pair in pairs
            for combination in described(pair, nouns, adjectives)
        )
        assert owners["train"] > 200
        assert set(owners) <= {"train", name}
        assert name == "train" or owners[name] > 100


def test_objects_in_the_text_keep_to_their_split(train, held_out):
    """In `Wir lesen ... Buch ...` the one noun is the object of the one verb."""
    nouns = noun_lemmas()
    verbs = {}
    for verb in LEXICON.verbs.values():
        if verb.frame.kind == "acc" and not verb.prefix:
            for person in range(6):
                verbs[finite_form(verb, "present", person)] = verb.lemma
                verbs[finite_form(verb, "past", person)] = verb.lemma
    prepositions = {"im", "in", "vor", "hinter", "neben"}
    subjects = ("Ich", "Du", "Er", "Wir", "Ihr", "Sie")
    for name, pairs in {"train": train, **held_out}.items():
        owners = collections.Counter()
        for pair in pairs:
            words = TOKEN.findall(pair.source)
            things = [nouns[word] for word in words if word in nouns]
            # The noun is last but the mark: no place, and no verb still to come.
            short = words[-2] in nouns and len(things) == 1
            pronoun = words[0] in subjects and words[1] in verbs
            if short and pronoun and not prepositions & set(words):
                owners[split_of(verbs[words[1]], things[0])] += 1
        assert sum(owners.values()) > 10
        assert set(owners) <= {"train", name}
        assert name == "train" or owners[name] > 5


def head_lemmas():
    """Every surface form of a verb or adjective, and the entries it may belong to."""
    forms = collections.defaultdict(set)
    for verb in LEXICON.verbs.values():
        finite = {
            finite_form(verb, tense, person)
            for tense in ("present", "past")
            for person in range(6)
        }
        attached = {verb.prefix + form for form in finite}
        zu = {f"{verb.prefix}zu{verb.infinitive}", verb.prefix + verb.infinitive}
        for form in finite | attached | zu | {verb.participle}:
            forms[form].add(verb.lemma)
    for form, lemma in adjective_lemmas().items():
        forms[form].add(lemma)
    for entry in LEXICON.adjectives.values():
        forms[entry.lemma].add(entry.lemma)
        forms[entry.comparative].add(entry.lemma)
    return forms


def test_every_held_out_sentence_has_a_reserved_combination(held_out):
    """A necessary condition, from the text: it has both words of one."""
    nouns, heads = noun_lemmas(), head_lemmas()
    for name, pairs in held_out.items():
        for pair in pairs:
            words = TOKEN.findall(pair.source)
            words += [words[0].lower()]
            present = set().union(*(heads.get(word, ()) for word in words))
            things = {nouns[word] for word in words if word in nouns}
            owners = {split_of(head, noun) for head in present for noun in things}
            assert name in owners, pair


def test_train_leaves_something_to_say_about_everything():
    found = options("train")
    for verb, (common, own) in found.objects.items():
        assert len(common) >= 2, verb.lemma
        assert own == []
    for noun, (common, _) in found.adjectives.items():
        assert common, noun.lemma


def test_train_covers_the_lexicon(many_labelled):
    words = collections.Counter(
        word.lower() for pair, _ in many_labelled for word in TOKEN.findall(pair.source)
    )
    for noun in LEXICON.nouns.values():
        assert words[noun.lemma.lower()] + words[(noun.plural or "").lower()] > 5
    for entry in LEXICON.adjectives.values():
        forms = {entry.lemma, *(entry.stem + e for e in ("e", "er", "es", "en"))}
        assert sum(words[form] for form in forms) > 5, entry.lemma
    for verb in LEXICON.verbs.values():
        forms = {finite_form(verb, t, i) for t in ("present", "past") for i in range(6)}
        forms |= {verb.participle, verb.prefix + verb.infinitive}
        assert sum(words[form] for form in forms) > 5, verb.lemma
    for word in [*LEXICON.adverbs, *LEXICON.names, *LEXICON.cities]:
        assert words[word.lower()] > 5, word


def test_held_out_words_occur_in_train(many_labelled, held_out):
    """Nearly every English form that is held out was seen in train."""
    known = {word for pair, _ in many_labelled for word in TOKEN.findall(pair.target)}
    words = [
        word
        for pairs in held_out.values()
        for pair in pairs
        for word in TOKEN.findall(pair.target)
    ]
    unseen = [word for word in words if word not in known]
    assert len(unseen) / len(words) < 0.001, unseen


def test_lexicon_is_large_enough():
    assert lexeme_count() >= 300


def test_bad_requests_are_named():
    with pytest.raises(ValueError, match="Received: split='dev'"):
        generate("dev", 1)
    with pytest.raises(ValueError, match="Received: count=-1"):
        generate("test", -1)
    assert list(generate("train", 0)) == []
    assert isinstance(next(generate("test", 1)), GeneratedPair)
