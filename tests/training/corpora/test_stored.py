"""Pairs and bytes on disk against the same ones in a list."""

import gc
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.training.corpora import SentencePair, Split
from keras_attn.training.corpora.held_out import hold_out
from keras_attn.training.corpora.sample import sample_pairs
from keras_attn.training.corpora.stored import store_pairs
from keras_attn.training.corpora.stored_file import StoredFile

TEXT = st.text(max_size=8)  # with line ends, NULs and all of Unicode
PAIRS = st.lists(st.builds(SentencePair, TEXT, TEXT, st.none() | TEXT), max_size=12)


@given(PAIRS, st.integers(1, 5), st.data())
@settings(max_examples=60, deadline=None)
def test_pairs_come_back_as_they_went(pairs, block, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_attn.training.corpora.stored._AT_ONCE", block)
        stored = store_pairs(iter(pairs))
        assert len(stored) == len(pairs)
        assert list(stored) == list(stored) == pairs
        assert list(reversed(stored)) == pairs[::-1]
        begin, end = data.draw(st.tuples(st.integers(-13, 13), st.integers(-13, 13)))
        assert stored[begin:end] == tuple(pairs[begin:end])
        assert list(stored.first(max(end, 0))) == pairs[: max(end, 0)]
        for place in range(-len(pairs), len(pairs)):
            assert stored[place] == pairs[place]
        with pytest.raises(IndexError):
            stored[len(pairs)]


@given(PAIRS)
@settings(max_examples=30, deadline=None)
def test_a_split_counts_what_it_skips_and_says_where_the_first_is(pairs):
    split = Split.of(pairs, place=lambda number: f"here:{number}")
    kept = [pair for pair in pairs if pair.source.strip() and pair.target.strip()]
    assert list(split) == kept
    assert split.skipped_empty == len(pairs) - len(kept)
    first = next((n for n, pair in enumerate(pairs, 1) if pair not in kept), None)
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
def test_a_sample_is_of_the_wanted_size_in_order_and_spread(count, wanted, sides):
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


def test_an_unnamed_file_leaves_nothing_behind(tmp_path):
    before = set(os.listdir("/proc/self/fd"))
    file = StoredFile.unnamed(tmp_path)
    assert list(tmp_path.iterdir()) == []
    file.append(b"one")
    file.append(b"two")
    assert file.read(2, 3) == b"etw"
    with pytest.raises(OSError, match=r"keep its length.*Received: 2 bytes of 9 at 4"):
        file.read(4, 9)
    assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    del file
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == len(before)
