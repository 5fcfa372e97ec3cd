"""Splits, the parts held out of them, and samples."""

import collections

from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.training.corpora import SentencePair, Split
from keras_attn.training.corpora.corpus import hold_out, sample_pairs

TEXT = st.text(max_size=8)  # with line ends, NULs and all of Unicode
PAIRS = st.lists(st.builds(SentencePair, TEXT, TEXT, st.none() | TEXT), max_size=12)


@given(PAIRS)
@settings(max_examples=30, deadline=None)
def test_a_split_counts_skipped_pairs_and_locates_the_first(pairs):
    split = Split.of(pairs, location=lambda number: f"here:{number}")
    nonempty = [pair for pair in pairs if pair.source.strip() and pair.target.strip()]
    assert list(split) == nonempty
    assert split.skipped_empty == len(pairs) - len(nonempty)
    first = next((n for n, pair in enumerate(pairs, 1) if pair not in nonempty), None)
    assert split.first_skipped == (first and f"here:{first}")


@given(PAIRS, st.sampled_from([0, 0.3]), st.sampled_from([0, 0.3]))
@settings(max_examples=30, deadline=None)
def test_holding_out_loses_nothing(pairs, validation, test):
    parts = hold_out(
        Split.of(pairs, None), validation_share=validation, test_share=test
    )
    whole = sorted(map(str, Split.of(pairs)))
    assert sorted(str(pair) for part in parts for pair in part) == whole


@given(st.integers(0, 200), st.integers(1, 100), st.sampled_from([1, 2]))
@settings(max_examples=60, deadline=None)
def test_a_sample_has_its_size_in_order_and_covers_the_corpus(count, wanted, sides):
    pairs = [SentencePair(str(n), "x") for n in range(count)]
    sample = [int(pair.source) for pair in sample_pairs(pairs, wanted, sides)]
    assert sample == sorted(set(sample))
    if sides * count <= wanted:
        assert len(sample) == count
        return
    stretches = max(1, wanted // sides)
    assert len(sample) <= stretches
    # No two neighbours are further apart than two stretches and a pair.
    gaps = [b - a for a, b in zip([0, *sample], [*sample, count], strict=True)]
    assert max(gaps) <= 2 * count / stretches + 1
    again = sample_pairs(pairs, wanted, sides)
    assert [int(pair.source) for pair in again] == sample


def test_each_pair_is_sampled_as_often_as_any_other():
    pairs = [SentencePair(str(n), "x") for n in range(30)]
    counts = [0] * 30
    for seed in range(2_000):
        for pair in sample_pairs(pairs, 10, seed=seed):
            counts[int(pair.source)] += 1
    # Binomial(2000, 1/3): 4.5 standard deviations.
    assert all(abs(count - 2_000 / 3) < 95 for count in counts)


def repeated_sources() -> Split:
    """Each of 500 sentences with 1 to 4 translations, far apart in the file."""
    return Split.of(
        SentencePair(("Satz  %d" if copy % 2 else "satz %d") % n, f"{n} {copy}")
        for copy in range(4)
        for n in range(500)
        if n % 4 >= copy
    )


def test_held_out_parts_are_a_partition_without_shared_sources():
    pairs = repeated_sources()
    parts = hold_out(pairs, validation_share=0.2, test_share=0.3)
    total = collections.Counter(pair for part in parts for pair in part)
    assert total == collections.Counter(pairs)
    sources = [{" ".join(p.source.lower().split()) for p in part} for part in parts]
    assert sum(map(len, sources)) == len(set.union(*sources)) == 500
    # Binomial(500, 0.2) and (500, 0.3): four standard deviations.
    assert abs(len(sources[1]) - 100) < 36
    assert abs(len(sources[2]) - 150) < 41


def test_where_a_pair_goes_does_not_depend_on_the_others():
    pairs = repeated_sources()
    parts = hold_out(pairs, validation_share=0.2, test_share=0.3)
    some = Split(pairs.pairs[::-3])
    for part, whole in zip(
        hold_out(some, validation_share=0.2, test_share=0.3), parts, strict=True
    ):
        assert set(part) == set(whole) & set(some)


def test_held_out_is_the_same_in_every_release():
    pairs = Split.of(SentencePair(f"Satz {n}", "x") for n in range(12))
    parts = hold_out(pairs, validation_share=0.25, test_share=0.25)
    assert [[p.source.split()[1] for p in part] for part in parts] == [
        ["1", "4", "5", "7", "8", "9", "10"],
        ["6", "11"],
        ["0", "2", "3"],
    ]
