"""Batches by length: every pair once, little padding, few shapes, a pure order."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.training.batches.bucketing import (
    Shapes,
    best_widths,
    joint_lengths,
    plan_epoch,
)

# Mean and deviation of log length and the correlation of the sides, as measured in
# subwords on two German-English corpora.
CAPTIONS = (2.72, 0.32, 0.84)  # Multi30k
SOFTWARE_HELP = (2.76, 0.81, 0.965)  # LibreOffice help: headings and long sentences


def padded_lengths(source, target, few=False):
    return Shapes.choose(source, target, few=few).pad(source, target)


def natural_lengths(pairs: int, shape=CAPTIONS):
    """Source and target lengths, log-normal as in real corpora."""
    mean, deviation, correlation = shape
    random = np.random.default_rng(0)
    shared = np.sqrt(correlation) * random.normal(size=pairs)
    own = np.sqrt(1 - correlation) * random.normal(size=(2, pairs))
    lengths = np.exp(mean + deviation * (shared + own))
    return np.clip(lengths, 2, 100).astype("int64")


def brute_force_cost(lengths, count):
    """The fewest positions, over every choice of `count` widths."""
    longest = max(lengths)
    options = sorted(set(lengths) - {longest})
    return min(
        sum(min(w for w in (*chosen, longest) if w >= n) for n in lengths)
        for size in range(min(count, len(options) + 1))
        for chosen in itertools.combinations(options, size)
    )


@given(st.lists(st.integers(1, 12), min_size=1, max_size=20), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_widths_waste_the_least_of_all_choices(lengths, count):
    widths = best_widths(np.array(lengths), count)
    assert len(widths) <= count
    assert list(widths) == sorted(set(widths))
    assert widths[-1] == max(lengths)
    padded = widths[np.searchsorted(widths, lengths)]
    assert padded.sum() == brute_force_cost(lengths, count)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1),
    st.integers(1, 7),
    st.one_of(st.none(), st.integers(0, 3)),
)
@settings(max_examples=60, deadline=None)
def test_every_pair_is_in_one_batch_that_holds_it(lengths, batch_size, seed):
    source, target = np.array(lengths).T
    padded = padded_lengths(source, target)
    batches = plan_epoch(*padded, batch_size=batch_size, seed=seed, epoch=0)
    dealt = np.concatenate([batch.indices for batch in batches])
    assert sorted(dealt) == list(range(len(lengths)))
    sizes = sorted(len(batch.indices) for batch in batches)
    assert sizes[1:] == [batch_size] * (len(sizes) - 1)
    for batch in batches:
        assert source[batch.indices].max() <= batch.source_width
        assert target[batch.indices].max() <= batch.target_width


@pytest.mark.parametrize(
    ("few", "most_shapes", "densities"),
    [(True, 45, (0.8, 0.9)), (False, 160, (0.9, 0.94))],
)
@pytest.mark.parametrize("shape", [CAPTIONS, SOFTWARE_HELP])
def test_padding_is_little_on_natural_lengths(shape, few, most_shapes, densities):
    source, target = natural_lengths(28_000, shape)
    padded = padded_lengths(source, target, few)
    plans = [
        plan_epoch(*padded, batch_size=64, seed=1, epoch=epoch) for epoch in range(3)
    ]
    positions = np.array(
        [
            (len(b.indices) * b.source_width, len(b.indices) * b.target_width)
            for b in plans[0]
        ]
    ).sum(axis=0)
    assert source.sum() / positions[0] >= densities[0]
    assert target.sum() / positions[1] >= densities[1]
    shapes = [
        collections.Counter((b.source_width, b.target_width) for b in plan)
        for plan in plans
    ]
    assert len(shapes[0]) <= most_shapes
    assert shapes[0] == shapes[1] == shapes[2]  # so later epochs compile nothing new


def test_random_batches_would_be_half_padding():
    """The reference that bucketing is worth it against."""
    _, target = natural_lengths(20_000)
    full = target[: len(target) // 64 * 64].reshape(-1, 64)
    assert full.sum() / (full.max(axis=1).sum() * 64) < 0.6


def flat(batches):
    return [batch.indices.tolist() for batch in batches]


def test_the_order_is_a_function_of_seed_and_epoch():
    padded = padded_lengths(*natural_lengths(500))

    def plan(seed, epoch):
        return flat(plan_epoch(*padded, batch_size=16, seed=seed, epoch=epoch))

    assert plan(7, 3) == plan(7, 3)
    orders = [plan(seed, epoch) for seed in (7, 8) for epoch in (0, 1)]
    assert all(a != b for a, b in itertools.combinations(orders, 2))
    # Not the order of the batches alone: their members change, too.
    members = [set(map(frozenset, order)) for order in orders[:2]]
    assert len(members[0] & members[1]) < len(members[0]) / 4
    assert plan(None, 0) == plan(None, 5)


def test_batches_of_an_epoch_come_in_no_order_of_length():
    padded = padded_lengths(*natural_lengths(6_400))
    widths = [
        batch.target_width
        for batch in plan_epoch(*padded, batch_size=16, seed=0, epoch=0)
    ]
    # 400 batches: a correlation of 0.2 would be four standard deviations.
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.2


@pytest.mark.parametrize("count", [1, 5])
def test_one_pair_makes_one_batch(count):
    padded = padded_lengths(np.array([4]), np.array([6]))
    [batch] = plan_epoch(*padded, batch_size=count, seed=0, epoch=0)
    assert (batch.source_width, batch.target_width) == (4, 6)


LENGTHS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1)


@given(LENGTHS, st.integers(30, 200), st.one_of(st.none(), st.integers(0, 3)))
@settings(max_examples=60, deadline=None)
def test_batches_by_tokens_hold_every_pair_once_within_the_budget(
    lengths, budget, seed
):
    source, target = np.array(lengths).T
    padded = padded_lengths(source, target)
    batches = plan_epoch(*padded, batch_size=1, batch_tokens=budget, seed=seed, epoch=2)
    dealt = np.concatenate([batch.indices for batch in batches])
    assert sorted(dealt) == list(range(len(lengths)))
    for batch in batches:
        width = max(batch.source_width, batch.target_width)
        assert len(batch.indices) * width <= budget
        assert source[batch.indices].max() <= batch.source_width
        assert target[batch.indices].max() <= batch.target_width


@pytest.mark.parametrize("shape", [CAPTIONS, SOFTWARE_HELP])
def test_batches_by_tokens_are_full_of_few_shapes_and_alike_in_all_epochs(shape):
    source, target = natural_lengths(28_000, shape)
    padded = padded_lengths(source, target, few=True)
    budget = 2_000
    plans = [
        plan_epoch(*padded, batch_size=1, batch_tokens=budget, seed=seed, epoch=epoch)
        for seed, epoch in ((1, 0), (1, 1), (2, 0), (1, 0))
    ]
    assert flat(plans[0]) == flat(plans[3])
    assert flat(plans[0]) != flat(plans[1]) != flat(plans[2])
    # With the rows: what is compiled once serves all epochs.
    shapes = [
        collections.Counter(
            (len(b.indices), b.source_width, b.target_width) for b in plan
        )
        for plan in plans
    ]
    assert shapes[0] == shapes[1] == shapes[2]
    assert len(shapes[0]) <= 100
    filled = [
        len(b.indices) * max(b.source_width, b.target_width) / budget for b in plans[0]
    ]
    assert np.mean(filled) > 0.9
    # By pairs, a batch of long sentences has many times the tokens of a short one.
    sizes = [len(b.indices) for b in plans[0]]
    assert max(sizes) > 3 * min(sizes)


@given(LENGTHS, st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_shapes_of_counted_lengths_are_those_of_all_lengths(lengths, size):
    source, target = np.array(lengths).T
    parts = [
        (source[n : n + size], target[n : n + size])
        for n in range(0, len(source), size)
    ]
    counted = Shapes.choose(*joint_lengths(parts))
    whole = Shapes.choose(source, target)
    np.testing.assert_array_equal(counted.target_widths, whole.target_widths)
    for one, other in zip(counted.source_widths, whole.source_widths, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_plan_does_not_depend_on_the_chunk_size(monkeypatch):
    lengths = natural_lengths(500)
    plans = []
    for size in (7, 1_000_000):
        monkeypatch.setattr("keras_attn.training.batches.bucketing._CHUNK", size)
        padded = padded_lengths(*lengths)
        plans.append(flat(plan_epoch(*padded, batch_size=16, seed=1, epoch=1)))
    assert plans[0] == plans[1]
