"""Alignments learnt from nothing but pairs, against links that are known."""

import numpy as np
import pytest
from real_data import real_data

from keras_attn.metrics import alignment_scores, parse_pharaoh, read_pharaoh
from keras_attn.training.alignment.guidance import folded_words
from keras_attn.training.alignment.learn_links import learn_links
from keras_attn.training.alignment.word_pairs import couples_of, numbered
from keras_attn.training.corpora.builtin import generate


def test_couples_are_those_of_each_pair():
    sources = [["a", "b"], ["b"], [], ["c"], ["b", "a"]]
    targets = [["x"], ["y"], ["x"], [], ["z"]]
    found = couples_of(numbered(sources), numbered(targets))
    assert (found.source_size, found.target_size) == (3, 3)
    seen = {}
    for group in found.groups:
        for row, couples in zip(group.rows.tolist(), group.couples, strict=True):
            pairs = [(found.source[c], found.target[c]) for c in couples.ravel()]
            seen[row] = [(int(s), int(t)) for s, t in pairs]
    # Ids in order of appearance: a 0, b 1; x 0, y 1, z 2.
    assert seen == {
        0: [(0, 0), (1, 0)],
        1: [(1, 1)],
        4: [(1, 2), (0, 2)],
    }


def test_reordered_words_are_found():
    random = np.random.default_rng(3)
    sources, targets, truth = [], [], []
    for _ in range(200):
        words = random.choice(12, size=5, replace=False)
        order = [1, 0, 2, 4, 3]
        sources.append([f"s{word}" for word in words])
        targets.append([f"t{words[place]}" for place in order])
        truth.append({(place, target) for target, place in enumerate(order)})
    assert learn_links(sources, targets) == truth


def test_what_has_no_words_has_no_links():
    assert learn_links([], []) == []
    assert learn_links([[], ["a"]], [["b"], []]) == [frozenset(), frozenset()]
    with pytest.raises(ValueError, match="sources=1, targets=2"):
        learn_links([["a"]], [["b"], ["c"]])


def test_links_of_the_built_in_corpus_are_found():
    pairs = list(generate("train", 400))
    links = learn_links(
        [folded_words(pair.source, "marks") for pair in pairs],
        [folded_words(pair.target, "marks") for pair in pairs],
    )
    gold = [parse_pharaoh(pair.alignment) for pair in pairs]
    # Always the next word, which is a good guess in a corpus of short sentences.
    diagonal = [{(j, j) for _, j in each.sure} for each in gold]
    assert alignment_scores(diagonal, gold)["aer"] > 0.2
    assert alignment_scores(links, gold)["aer"] < 0.09


@pytest.mark.data
@pytest.mark.slow  # minutes
def test_links_of_real_captions_are_found():
    corpus, folder = real_data("multi30k"), real_data("align")
    sides = []
    for language, annotated in (("de", "src.de"), ("en", "tgt.en")):
        text = (corpus / f"train.{language}").read_text("utf-8")
        lines = text.splitlines() + (folder / annotated).read_text("utf-8").splitlines()
        sides.append([folded_words(line, "marks") for line in lines])
    gold = read_pharaoh(folder / "gold.talp")
    links = learn_links(*sides)[-len(gold) :]
    assert alignment_scores(links, gold)["aer"] < 0.10
