"""Joined sentences against lists of ids, joined one by one."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.batches.bucketing import plan_epoch
from keras_attn.training.batches.joining import join_neighbours
from keras_attn.training.batches.pipeline import make_pipeline
from keras_attn.training.batches.subwords import SubwordSampling
from keras_attn.training.batches.tokens import TokenPairs, Tokens
from keras_attn.training.corpora import SentencePair
from keras_attn.training.corpora.builtin import generate
from keras_attn.training.corpora.stored_file import StoredFile

# Numbered, so that every pair can be told from the others.
PAIRS = [
    SentencePair(f"{n} {pair.source}", f"{n} {pair.target}")
    for n, pair in enumerate(generate("train", 150))
]


@pytest.fixture(scope="module")
def codec():
    texts = [text for pair in PAIRS for text in (pair.source, pair.target)]
    return SubwordCodec(learn_subwords(texts, 300))


@pytest.fixture(scope="module")
def ids(codec):
    """Source and target ids of each pair, by the tokenizer."""
    sides = zip(*((pair.source, pair.target) for pair in PAIRS), strict=True)
    return list(
        zip(*(codec.tokenize(list(texts)).to_list() for texts in sides), strict=True)
    )


def pipeline(codec, **options):
    defaults = {"batch_size": 16, "max_length": 120, "shuffle_seed": 3}
    defaults["join_sentences"] = 4
    return make_pipeline(PAIRS, codec, codec, **(defaults | options))


def rows(dataset, codec):
    """Source ids, decoder input and labels of each row, without padding."""
    for inputs, labels in dataset.as_numpy_iterator():
        sides = inputs["source"], inputs["target"], labels
        for row in zip(*sides, strict=True):
            yield tuple(side[side != codec.pad_id].tolist() for side in row)


def joined_rows(ids, codec):
    """Every row that up to four consecutive pairs make, by its pairs."""
    made = {}
    for count in range(1, 5):
        for first in range(len(ids) - count + 1):
            chosen = range(first, first + count)
            source, target = (
                list(itertools.chain(*(ids[n][side] for n in chosen)))
                for side in (0, 1)
            )
            row = (
                [*source, codec.end_id],
                [codec.start_id, *target],
                [*target, codec.end_id],
            )
            made[str(row)] = chosen
    return made


def groups(pipeline, epoch, codec, made):
    """The pairs of each row of an epoch, in order of the pairs."""
    dataset = pipeline.epoch(epoch)
    return sorted(list(made[str(row)]) for row in rows(dataset, codec))


def test_every_epoch_joins_each_pair_once_and_with_others(codec, ids):
    made = joined_rows(ids, codec)
    joining = pipeline(codec)
    epochs = [groups(joining, epoch, codec, made) for epoch in range(3)]
    for epoch in epochs:
        assert list(itertools.chain(*epoch)) == list(range(150))
        assert {len(group) for group in epoch} == {1, 2, 3, 4}
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert epochs[1] == groups(pipeline(codec), 1, codec, made)
    assert epochs[1] != groups(pipeline(codec, shuffle_seed=4), 1, codec, made)
    assert joining.joined_count == len(epochs[0])
    assert joining.describe() == (
        f"150 pairs, joined into {len(epochs[0])}, in 10 batches"
    )


def test_ids_are_those_of_the_joined_text(codec, ids):
    # Unless a subword goes over a space, which none of a `SubwordCodec` does.
    for first in range(0, 148, 4):
        text = " ".join(pair.source for pair in PAIRS[first : first + 4])
        joined = list(
            itertools.chain(*(source for source, _ in ids[first : first + 4]))
        )
        assert codec.tokenize([text]).to_list() == [joined]


def test_an_epoch_has_as_many_batches_and_tokens_as_without(codec, ids):
    plain, joining = pipeline(codec, join_sentences=None), pipeline(codec)
    assert joining.steps_per_epoch == plain.steps_per_epoch == 10
    assert joining.pair_count == plain.pair_count == 150
    words = sum(len(target) for _, target in ids)
    assert joining.target_tokens == words + joining.joined_count
    for epoch in range(5):
        batches = joining.plan(epoch)
        assert len(batches) == 10
        dataset = joining.epoch(epoch)
        labels = [labels for _, labels in dataset.as_numpy_iterator()]
        assert len(labels) == 10
        # Fewer rows where they are longer.
        sizes = sorted((label.shape[1], label.shape[0]) for label in labels)
        assert sizes[0][1] > 2 * sizes[-1][1]
    # The fixed order is of single pairs, for what learns from these.
    fixed = joining.plan(None)
    assert [len(batch.indices) for batch in fixed] == [16] * 9 + [6]
    made = [joining.collate(batch)[1] for batch in fixed]
    assert sum((labels != codec.pad_id).sum() for labels in made) == words + 150


@pytest.mark.parametrize("alpha", [None, 0.1])
def test_nothing_is_longer_than_the_limit_and_all_is_there(codec, ids, alpha):
    sampling = alpha and SubwordSampling(
        model_type="unigram", alpha=alpha, sides="both", seed=3
    )
    longest = max(map(len, itertools.chain(*ids))) + 1
    joining = pipeline(codec, max_length=longest + 5, sampling=sampling)
    assert joining.dropped_too_long == 0
    assert max(joining.longest_source, joining.longest_target) <= longest + 5
    for epoch in range(6):
        for batch in joining.plan(epoch):
            assert batch.source_width <= joining.longest_source
            assert batch.target_width <= joining.longest_target
        texts = []
        for inputs, _ in joining.epoch(epoch).as_numpy_iterator():
            lengths = (inputs["source"] != codec.pad_id).sum(axis=1)
            texts += codec.surface(inputs["source"], lengths).text.numpy().tolist()
        words = b" ".join(texts).split()
        numbers = [int(word) for word in words if word.isdigit()]
        assert sorted(numbers) == list(range(150))


def test_a_resumed_run_joins_the_same(codec):
    whole = list(rows(pipeline(codec).epochs().take(30), codec))
    again = pipeline(codec)
    assert whole == [row for n in range(3) for row in rows(again.epoch(n), codec)]
    resumed = list(rows(pipeline(codec).epoch(2, step=4), codec))
    assert resumed == whole[-len(resumed) :]


def test_few_shapes_are_few_in_rows_too(codec):
    shapes = []
    for few in (False, True):
        joining = pipeline(codec, few_shapes=few)
        batches = [batch for epoch in range(20) for batch in joining.plan(epoch)]
        shapes.append(
            len(
                {
                    (len(batch.indices), batch.source_width, batch.target_width)
                    for batch in batches
                }
            )
        )
    assert shapes[1] < 0.75 * shapes[0]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=40),
    st.integers(2, 7),
    st.integers(9, 30),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_joined_pairs_hold_each_pair_once_within_both_limits(
    lengths, max_count, limit, seed
):
    numbers = itertools.count(1)
    sides = [
        [[next(numbers) for _ in range(length)] for length in side]
        for side in zip(*lengths, strict=True)
    ]
    chunk = tuple(
        Tokens.contiguous(
            np.array(list(itertools.chain(*side)), "int32"),
            np.array(list(map(len, side))),
        )
        for side in sides
    )
    pairs = TokenPairs.write([chunk], StoredFile.unnamed(None))
    random = np.random.default_rng(seed)
    joined = join_neighbours(pairs, max_count, (limit, limit + 1), random)
    # In any order, as a batch reads them.
    order = random.permutation(len(joined))
    for side, read, limit_of_side, own in zip(
        sides,
        joined.read(order),
        (limit, limit + 1),
        (joined.source_lengths, joined.target_lengths),
        strict=True,
    ):
        texts = {}
        for row, begin, length in zip(order, read.begins, read.lengths, strict=True):
            texts[row] = read.ids[begin : begin + length].tolist()
            assert length == own[row] <= limit_of_side
        in_order = [texts[row] for row in range(len(joined))]
        assert list(itertools.chain(*in_order)) == list(itertools.chain(*side))
    assert joined.counts.sum() == len(lengths)
    assert 1 <= joined.counts.min() <= joined.counts.max() <= max_count


def test_the_numbers_of_joined_pairs_are_equally_frequent():
    count = 100_000
    lengths = np.ones((count, 2), "int32")
    pairs = TokenPairs.contiguous(StoredFile.unnamed(None), lengths)
    joined = join_neighbours(pairs, 5, (99, 99), np.random.default_rng(0))
    shares = np.bincount(joined.counts)[1:] / len(joined)
    np.testing.assert_allclose(shares, 0.2, atol=0.01)
    # Where three do not fit, they are two and one.
    joined = join_neighbours(pairs, 3, (2, 99), np.random.default_rng(0))
    tally = collections.Counter(joined.counts.tolist())
    # A third each of one, two, and two and one.
    assert tally[1] / tally[2] == pytest.approx(1, abs=0.02)
    assert set(tally) == {1, 2}


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=60),
    st.integers(4, 12),
    st.integers(1, 3),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_batches_of_joined_pairs_share_the_sentences(counts, size, multiple, epoch):
    counts = np.array(counts)
    widths = 3 * counts + 1, 2 * counts + 1
    batches = plan_epoch(
        *widths,
        batch_size=size,
        sentences=counts,
        multiple=multiple,
        seed=1,
        epoch=epoch,
    )
    assert len(batches) == -(-counts.sum() // size)
    chosen = [batch.indices.tolist() for batch in batches]
    assert all(chosen)
    assert sorted(itertools.chain(*chosen)) == list(range(len(counts)))
    for batch in batches:
        assert widths[0][batch.indices].max() == batch.source_width
        assert widths[1][batch.indices].max() == batch.target_width
        if multiple == 1:
            assert counts[batch.indices].sum() <= size + 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"join_sentences": 1}, r"at least 2.*join_sentences=1, batch_size=16"),
        ({"join_sentences": 17}, r"at most `batch_size`.*join_sentences=17"),
        ({"batch_tokens": 500}, r"number of batches.*join_sentences=4, batch_tokens"),
        ({"shuffle_seed": None}, r"a seed.*join_sentences=4, shuffle_seed=None"),
        ({"max_length": 20}, r"the length limit.*max_length=20, .* pairs of which"),
    ],
)
def test_joining_that_cannot_be_is_refused(codec, options, message):
    with pytest.raises(ValueError, match=message):
        pipeline(codec, **options)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_sampled_pair_longer_than_all_joined_ones_stays_alone(seed):
    # One pair is short enough in few epochs only, and longer than any two others.
    random = np.random.default_rng(999)
    words = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "runs"]
    short = [" ".join(random.choice(words, 4)) for _ in range(60)]
    texts = [*short[:30], " ".join(random.choice(words, 40)), *short[30:]]
    codec = SubwordCodec(learn_subwords(short * 5, 45))
    sampling = SubwordSampling(model_type="unigram", alpha=0.1, sides="both", seed=seed)
    batches = make_pipeline(
        [SentencePair(text, text) for text in texts],
        codec,
        codec,
        batch_size=16,
        max_length=75,
        shuffle_seed=seed,
        join_sentences=2,
        sampling=sampling,
    )
    for epoch in range(12):
        rows = sum(len(batches.collate(batch)[1]) for batch in batches.plan(epoch))
        assert 31 <= rows <= 61
