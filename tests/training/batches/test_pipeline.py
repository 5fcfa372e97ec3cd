"""The pipeline against the codec's own tokenising, pair by pair."""

import collections
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.batches.pipeline import make_pipeline
from keras_attn.training.corpora import SentencePair
from keras_attn.training.loop.train_step import TrainStep
from keras_attn.training.loop.workers import Workers

WORDS = [
    "der",
    "Hund",
    "die",
    "Katze",
    "sieht",
    "schläft",
    "nicht",
    "heute",
    "und",
    "läuft",
    "schnell",
]
ENGLISH = [
    "the",
    "dog",
    "a",
    "cat",
    "sees",
    "sleeps",
    "not",
    "today",
    "and",
    "runs",
    "fast",
]


def make_pairs(count):
    random = np.random.default_rng(5)
    pairs = []
    for _ in range(count):
        words = random.integers(len(WORDS), size=random.integers(1, 25))
        pairs.append(
            SentencePair(
                " ".join(WORDS[word] for word in words),
                " ".join(ENGLISH[word] for word in words),
            )
        )
    return pairs


@pytest.fixture(scope="module")
def pairs():
    return make_pairs(300)


@pytest.fixture(scope="module")
def codecs(pairs):
    return tuple(
        SubwordCodec(learn_subwords(sentences, 60))
        for sentences in ([p.source for p in pairs], [p.target for p in pairs])
    )


def ids_of(codec, sentence):
    """One sentence through SentencePiece itself, without TensorFlow."""
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_proto=codec.model).encode(
        sentence
    )


@pytest.fixture(scope="module")
def ids(pairs, codecs):
    return [
        (ids_of(codecs[0], pair.source), ids_of(codecs[1], pair.target))
        for pair in pairs
    ]


def rows(dataset):
    for inputs, labels in dataset.as_numpy_iterator():
        yield from zip(inputs["source"], inputs["target"], labels, strict=True)


def unpadded(row, pad_id):
    row = row.tolist()
    while row and row[-1] == pad_id:
        row.pop()
    assert pad_id not in row
    return tuple(row)


def content(dataset, codecs):
    return collections.Counter(
        tuple(unpadded(row, codecs[0].pad_id) for row in rows_of_pair)
        for rows_of_pair in rows(dataset)
    )


def expected(ids, codecs):
    source, target = codecs
    return collections.Counter(
        (
            (*s, source.end_id),
            (target.start_id, *t),
            (*t, target.end_id),
        )
        for s, t in ids
    )


@pytest.mark.parametrize("seed", [None, 3])
def test_an_epoch_holds_every_pair_once_with_start_and_end(pairs, codecs, ids, seed):
    pipeline = make_pipeline(
        pairs, *codecs, batch_size=16, max_length=500, shuffle_seed=seed
    )
    for epoch in (0, 1):
        assert content(pipeline.epoch(epoch), codecs) == expected(ids, codecs)
    assert (pipeline.pair_count, pipeline.steps_per_epoch) == (300, 19)
    assert len(pipeline.epoch()) == 19
    assert pipeline.source_tokens == sum(len(s) + 1 for s, _ in ids)
    assert pipeline.target_tokens == sum(len(t) + 1 for _, t in ids)
    assert pipeline.describe() == "300 pairs in 19 batches"


def test_elements_have_known_dtypes_and_equal_target_shapes(pairs, codecs):
    pipeline = make_pipeline(
        pairs, *codecs, batch_size=16, max_length=500, shuffle_seed=1
    )
    spec = tf.TensorSpec((None, None), tf.int32)
    for dataset in (pipeline.epoch(), pipeline.epochs()):
        assert dataset.element_spec == ({"source": spec, "target": spec}, spec)
    for inputs, labels in pipeline.epoch():
        assert inputs["target"].shape == labels.shape
        assert inputs["source"].shape[0] == labels.shape[0] <= 16


@pytest.mark.parametrize("max_length", [5, 12, 20])
def test_long_pairs_are_dropped_and_counted(pairs, codecs, ids, max_length):
    pipeline = make_pipeline(
        pairs, *codecs, batch_size=16, max_length=max_length, shuffle_seed=1
    )
    within = [(s, t) for s, t in ids if max(len(s), len(t)) + 1 <= max_length]
    assert 0 < len(within) < 300
    assert content(pipeline.epoch(), codecs) == expected(within, codecs)
    assert (pipeline.pair_count, pipeline.dropped_too_long) == (
        len(within),
        300 - len(within),
    )
    assert f"{300 - len(within)} dropped with a side over {max_length} tokens" in (
        pipeline.describe()
    )
    widths = [(b.source_width, b.target_width) for b in pipeline.plan(0)]
    assert np.max(widths) <= max_length


def test_pairs_without_a_token_are_dropped_and_counted(pairs, codecs):
    # A zero-width space is text to `str.strip`, and nothing to SentencePiece.
    pipeline = make_pipeline(
        [*pairs[:4], SentencePair("\u200b", "the dog")],
        *codecs,
        batch_size=16,
        max_length=500,
        shuffle_seed=1,
    )
    assert (pipeline.pair_count, pipeline.dropped_empty) == (4, 1)
    assert "1 dropped with a side of no token" in pipeline.describe()


def test_many_small_pipelines_cause_no_warning(pairs, codecs, caplog):
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        for _ in range(6):
            make_pipeline(
                pairs[:4], *codecs, batch_size=4, max_length=500, shuffle_seed=None
            )
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.text == ""


def arrays(dataset):
    return [np.concatenate([s, t, y]).tolist() for s, t, y in rows(dataset)]


def test_a_resumed_run_continues_in_the_same_order(pairs, codecs):
    first, again = (
        make_pipeline(pairs, *codecs, batch_size=16, max_length=500, shuffle_seed=4)
        for _ in range(2)
    )
    steps = first.steps_per_epoch
    whole = arrays(first.epochs().take(4 * steps))
    assert whole == [row for n in range(4) for row in arrays(again.epoch(n))]
    assert whole[600:] == arrays(again.epochs(first=2).take(2 * steps))
    assert arrays(first.epoch(0)) != arrays(first.epoch(1))


def test_validation_keeps_one_order(pairs, codecs):
    pipeline = make_pipeline(
        pairs, *codecs, batch_size=16, max_length=500, shuffle_seed=None
    )
    assert arrays(pipeline.epoch(0)) == arrays(pipeline.epoch(7))


def test_density_counts_the_positions_that_are_not_padding(pairs, codecs):
    pipeline = make_pipeline(
        pairs, *codecs, batch_size=16, max_length=500, shuffle_seed=1
    )
    real, positions = np.zeros(2), np.zeros(2)
    for inputs, labels in pipeline.epoch().as_numpy_iterator():
        for side, array in enumerate((inputs["source"], labels)):
            real[side] += (array != codecs[side].pad_id).sum()
            positions[side] += array.size
    np.testing.assert_allclose(pipeline.density(), real / positions)


def test_keras_fits_on_it_and_ends_each_epoch_where_it_should(pairs, codecs):
    pipeline = make_pipeline(
        pairs, *codecs, batch_size=16, max_length=500, shuffle_seed=1
    )
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    read, write = (keras.layers.Embedding(c.vocabulary_size, 4) for c in codecs)
    logits = keras.layers.Dense(codecs[1].vocabulary_size)(
        write(target) + keras.ops.mean(read(source), axis=1, keepdims=True)
    )
    model = keras.Model({"source": source, "target": target}, logits)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(
        pipeline.epochs(),
        steps_per_epoch=pipeline.steps_per_epoch,
        validation_data=pipeline.epoch(),
        epochs=2,
        shuffle=False,  # Keras warns that a dataset has its own order
        verbose=0,
    )
    assert int(model.optimizer.iterations) == 2 * pipeline.steps_per_epoch


@pytest.mark.parametrize("seed", [None, 3])
def test_batches_by_tokens_hold_every_pair_once(pairs, codecs, ids, seed):
    options = {"batch_size": 16, "max_length": 500, "shuffle_seed": seed}
    pipeline = make_pipeline(pairs, *codecs, batch_tokens=600, **options)
    for epoch in (0, 1):
        assert content(pipeline.epoch(epoch), codecs) == expected(ids, codecs)
    assert len(pipeline.epoch(1)) == pipeline.steps_per_epoch
    positions = [
        max(inputs["source"].size, labels.size)
        for inputs, labels in pipeline.epoch().as_numpy_iterator()
    ]
    assert len(positions) == pipeline.steps_per_epoch
    assert max(positions) <= 600 < sum(positions) / len(positions) * 2
    resumed = arrays(pipeline.epoch(1, step=3))
    assert resumed == arrays(pipeline.epoch(1))[-len(resumed) :]
    again = make_pipeline(pairs, *codecs, batch_tokens=600, **options)
    assert arrays(again.epochs(1).take(5)) == arrays(pipeline.epochs(1).take(5))


def test_two_workers_share_every_pair_of_batches_by_tokens(pairs, codecs, ids):
    class Two(Workers):
        replicas = 2

    steps = object.__new__(TrainStep)
    steps.workers = Two(tf.distribute.get_strategy())
    steps.parts = 1
    steps.pad_id = codecs[0].pad_id
    pipeline = make_pipeline(
        pairs,
        *codecs,
        batch_size=16,
        batch_tokens=600,
        max_length=500,
        shuffle_seed=1,
    )
    shared = collections.Counter()
    for batch in pipeline.epoch(1):
        halves = [steps._part(batch, tf.constant(replica)) for replica in range(2)]
        assert len({labels.shape for _, labels in halves}) == 1
        for inputs, labels in halves:
            for row in zip(inputs["source"], inputs["target"], labels, strict=True):
                unpadded_row = [
                    unpadded(side_row.numpy(), steps.pad_id) for side_row in row
                ]
                if unpadded_row[2]:  # padding goes round where rows do not
                    shared[tuple(unpadded_row)] += 1
    assert shared == expected(ids, codecs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_tokens": 49}, "batch_tokens=49, max_length=50"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"max_length": 1}, "max_length=1"),
        ({"max_length": 2}, "max_length=2, 3 of 3 pairs longer"),
    ],
)
def test_impossible_options_are_refused(codecs, options, message):
    pairs = [SentencePair("der Hund und die Katze", "the dog and a cat")] * 3
    values = {"batch_size": 4, "max_length": 50, "shuffle_seed": 1, **options}
    with pytest.raises(ValueError, match=message):
        make_pipeline(pairs, *codecs, **values)


def test_no_pair_at_all_is_refused(codecs):
    with pytest.raises(ValueError, match="0 of 0 pairs"):
        make_pipeline([], *codecs, batch_size=4, max_length=50, shuffle_seed=1)
