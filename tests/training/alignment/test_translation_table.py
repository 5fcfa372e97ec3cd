"""IBM Model 1 against its sums in plain Python, and the frequent subwords."""

import itertools

import numpy as np
import pytest

from keras_attn.training.alignment.shortlist import frequent_ids
from keras_attn.training.alignment.translation_table import translation_table


def by_hand(sources, targets, rounds=5):
    """t(target | source) as in the paper, with dictionaries."""
    sentences = [([*s, 0], list(t)) for s, t in zip(sources, targets, strict=True)]
    table = {pair: 1.0 for s, t in sentences for pair in itertools.product(s, t)}
    for _ in range(rounds):
        counts = dict.fromkeys(table, 0.0)
        for source, target in sentences:
            for word in target:
                total = sum(table[source_id, word] for source_id in source)
                for source_id in source:
                    counts[source_id, word] += table[source_id, word] / total
        totals = {}
        for (source_id, _), count in counts.items():
            totals[source_id] = totals.get(source_id, 0.0) + count
        table = {pair: count / totals[pair[0]] for pair, count in counts.items()}
    return table


def test_equals_the_sums_of_the_paper():
    generator = np.random.default_rng(11)
    sources = [generator.integers(1, 9, generator.integers(1, 6)) for _ in range(30)]
    targets = [generator.integers(1, 12, generator.integers(1, 6)) for _ in range(30)]
    table = by_hand(
        [ids.tolist() for ids in sources], [ids.tolist() for ids in targets]
    )
    translations = translation_table(sources, targets, 10, 4)
    for source_id in range(1, 9):
        p = {
            target_id: table[pair]
            for pair in table
            for target_id in pair[1:]
            if pair[0] == source_id
        }
        best = sorted(p.values(), reverse=True)[:4]
        np.testing.assert_allclose(
            [p[target_id] for target_id in translations[source_id]], best, rtol=1e-9
        )
    assert not translations[9].any()  # in no sentence


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_sentences(count):
    sentences = [np.array([1, 2])] * count
    assert translation_table(sentences, sentences, 4, 3).shape == (4, 3)
    counts = np.bincount(np.array(sentences, "int64").ravel(), minlength=4)
    assert len(frequent_ids(counts, 5)) == (2 if count else 0)
