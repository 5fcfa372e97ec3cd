"""Model 1 against sums written out, and the words that are always at hand."""

import itertools

import numpy as np
import pytest

from keras_attn.training.alignment.lexicon import frequent_words, translation_table


def by_hand(sources, targets, rounds=5):
    """t(target | source) as in the paper, with dictionaries."""
    sentences = [([*s, 0], list(t)) for s, t in zip(sources, targets, strict=True)]
    table = {pair: 1.0 for s, t in sentences for pair in itertools.product(s, t)}
    for _ in range(rounds):
        counts = dict.fromkeys(table, 0.0)
        for source, target in sentences:
            for word in target:
                total = sum(table[heard, word] for heard in source)
                for heard in source:
                    counts[heard, word] += table[heard, word] / total
        totals = {}
        for (heard, _), count in counts.items():
            totals[heard] = totals.get(heard, 0.0) + count
        table = {pair: count / totals[pair[0]] for pair, count in counts.items()}
    return table


def test_equals_the_sums_of_the_paper():
    generator = np.random.default_rng(11)
    sources = [generator.integers(1, 9, generator.integers(1, 6)) for _ in range(30)]
    targets = [generator.integers(1, 12, generator.integers(1, 6)) for _ in range(30)]
    table = by_hand(
        [each.tolist() for each in sources], [each.tolist() for each in targets]
    )
    found = translation_table(sources, targets, 10, 4)
    for heard in range(1, 9):
        p = {
            said: table[pair] for pair in table for said in pair[1:] if pair[0] == heard
        }
        best = sorted(p.values(), reverse=True)[:4]
        np.testing.assert_allclose([p[said] for said in found[heard]], best, rtol=1e-9)
    assert not found[9].any()  # never heard


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_sentences(count):
    sentences = [np.array([1, 2])] * count
    assert translation_table(sentences, sentences, 4, 3).shape == (4, 3)
    times = np.bincount(np.array(sentences, "int64").ravel(), minlength=4)
    assert len(frequent_words(times, 5)) == (2 if count else 0)
