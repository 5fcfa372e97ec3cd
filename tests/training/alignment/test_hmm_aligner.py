"""Alignments learned from pairs alone, against known links and brute force."""

import itertools

import numpy as np
import pytest
from real_data import real_data

from keras_attn.metrics import alignment_scores, parse_pharaoh, read_pharaoh
from keras_attn.training.alignment.guidance import casefolded_words
from keras_attn.training.alignment.hmm_aligner import forward_backward, learn_links
from keras_attn.training.alignment.word_pairs import index_cooccurrences, word_ids
from keras_attn.training.corpora.builtin import generate


def test_word_pairs_are_those_of_each_sentence_pair():
    sources = [["a", "b"], ["b"], [], ["c"], ["b", "a"]]
    targets = [["x"], ["y"], ["x"], [], ["z"]]
    index = index_cooccurrences(word_ids(sources), word_ids(targets))
    assert (index.source_size, index.target_size) == (3, 3)
    by_row = {}
    for group in index.groups:
        for row, pairs in zip(group.rows.tolist(), group.word_pairs, strict=True):
            ids = [(index.source[c], index.target[c]) for c in pairs.ravel()]
            by_row[row] = [(int(s), int(t)) for s, t in ids]
    # Ids in order of appearance: a 0, b 1; x 0, y 1, z 2.
    assert by_row == {
        0: [(0, 0), (1, 0)],
        1: [(1, 1)],
        4: [(1, 2), (0, 2)],
    }


def test_reordered_words_are_aligned():
    random = np.random.default_rng(3)
    sources, targets, truth = [], [], []
    for _ in range(200):
        words = random.choice(12, size=5, replace=False)
        order = [1, 0, 2, 4, 3]
        sources.append([f"s{word}" for word in words])
        targets.append([f"t{words[position]}" for position in order])
        truth.append({(position, target) for target, position in enumerate(order)})
    assert learn_links(sources, targets) == truth


def test_empty_sentences_have_no_links():
    assert learn_links([], []) == []
    assert learn_links([[], ["a"]], [["b"], []]) == [frozenset(), frozenset()]
    with pytest.raises(ValueError, match="sources=1, targets=2"):
        learn_links([["a"]], [["b"], ["c"]])


def test_links_of_the_built_in_corpus_are_learned():
    pairs = list(generate("train", 400))
    links = learn_links(
        [casefolded_words(pair.source, "marks") for pair in pairs],
        [casefolded_words(pair.target, "marks") for pair in pairs],
    )
    gold = [parse_pharaoh(pair.alignment) for pair in pairs]
    # The diagonal is a good guess in a corpus of short sentences.
    diagonal = [{(j, j) for _, j in pair_links.sure} for pair_links in gold]
    assert alignment_scores(diagonal, gold)["aer"] > 0.2
    assert alignment_scores(links, gold)["aer"] < 0.09


@pytest.mark.data
@pytest.mark.slow  # minutes
def test_links_of_real_captions_are_learned():
    corpus, folder = real_data("multi30k"), real_data("align")
    sides = []
    for language, annotated in (("de", "src.de"), ("en", "tgt.en")):
        text = (corpus / f"train.{language}").read_text("utf-8")
        lines = text.splitlines() + (folder / annotated).read_text("utf-8").splitlines()
        sides.append([casefolded_words(line, "marks") for line in lines])
    gold = read_pharaoh(folder / "gold.talp")
    links = learn_links(*sides)[-len(gold) :]
    assert alignment_scores(links, gold)["aer"] < 0.10


def by_brute_force(emissions, null_emissions, jumps, p_null):
    """Goes over every alignment of one pair; -1 stands for no source word."""
    length, sources = emissions.shape
    links, nulls = np.zeros((length, sources)), np.zeros(length)
    moves = np.zeros((sources + 1, sources))
    total = 0.0
    for alignment in itertools.product(range(-1, sources), repeat=length):
        p, last, taken = 1.0, -1, []
        for t, source in enumerate(alignment):
            if source < 0:
                p *= p_null * null_emissions[t]
            else:
                p *= (1 - p_null) * jumps[last + 1, source] * emissions[t, source]
                taken.append((last + 1, source))
                last = source
        total += p
        for t, source in enumerate(alignment):
            if source < 0:
                nulls[t] += p
            else:
                links[t, source] += p
        for move in taken:
            moves[move] += p
    return links / total, nulls / total, moves / total, np.log(total)


@pytest.mark.parametrize(("length", "sources"), [(1, 1), (1, 3), (4, 1), (4, 3)])
def test_posteriors_are_those_of_all_alignments(length, sources):
    random = np.random.default_rng(7)
    emissions = random.uniform(0.01, 1, (2, length, sources))
    nulls = random.uniform(0.01, 1, (2, length))
    jumps = random.uniform(0.1, 1, (sources + 1, sources))
    jumps /= jumps.sum(axis=1, keepdims=True)
    posteriors = forward_backward(emissions, nulls, jumps, 0.3)
    expected = [by_brute_force(emissions[b], nulls[b], jumps, 0.3) for b in range(2)]
    for b in range(2):
        np.testing.assert_allclose(posteriors.links[b], expected[b][0], rtol=1e-10)
        np.testing.assert_allclose(posteriors.nulls[b], expected[b][1], rtol=1e-10)
        np.testing.assert_allclose(posteriors.log_likelihood[b], expected[b][3])
    np.testing.assert_allclose(
        posteriors.jumps, sum(jumps for _, _, jumps, _ in expected)
    )


def test_long_sentences_do_not_underflow():
    emissions = np.full((1, 2000, 50), 1e-9)
    jumps = np.full((51, 50), 1 / 50)
    posteriors = forward_backward(emissions, np.full((1, 2000), 1e-9), jumps, 0.2)
    np.testing.assert_allclose(posteriors.links, 0.8 / 50)
    np.testing.assert_allclose(posteriors.nulls, 0.2)
    np.testing.assert_allclose(posteriors.log_likelihood, 2000 * np.log(1e-9))
