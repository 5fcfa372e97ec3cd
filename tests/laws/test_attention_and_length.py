"""Attention translates long sentences where one vector fails: a reversal task.

The quick version of `python -m benchmarks long_sentences`.
"""

import keras
import numpy as np
import pytest
import tiny

from keras_attn.metrics import MaskedCrossentropy

WORDS = 24
SHORT, LONG = (2, 3), (11, 12)
STEPS, BATCH = 180, 64
SIZES = {
    "source_vocabulary_size": tiny.END + 1 + WORDS,
    "target_vocabulary_size": tiny.END + 1 + WORDS,
    "embedding_dim": 32,
    "readout_units": 32,
    "encoder_units": 32,
    "attention_units": 32,
}
# The plain decoder is wider, so that both have the same number of parameters.
KINDS = {
    "attention": {"decoder_units": 64},
    "plain": {"attention": None, "decoder_units": 69},
}


def lines(count, lengths, seed):
    """Rows of different words in random order, `lengths` words each, and the end."""
    random = np.random.default_rng(seed)
    words = np.arange(tiny.END + 1, tiny.END + 1 + WORDS)
    rows = np.full((count, LONG[-1] + 1), tiny.PAD)
    for row in rows:
        length = random.integers(lengths[0], lengths[-1] + 1)
        row[:length] = random.permutation(words)[:length]
        row[length] = tiny.END
    return rows


def accuracy(model, lengths):
    """Teacher-forced accuracy of the words."""
    inputs, labels = tiny.copy_task(lines(300, lengths, seed=1), backwards=True)
    guesses = model.predict(inputs, batch_size=100, verbose=0).argmax(axis=-1)
    return np.mean((guesses == labels)[labels > tiny.END])


@pytest.fixture(scope="module")
def trained():
    """Number of parameters and accuracies of both kinds, trained on the same lines."""
    rows = lines(STEPS * BATCH, (SHORT[0], LONG[-1]), seed=0)
    inputs, labels = tiny.copy_task(rows, backwards=True)
    results = {}
    for kind, options in KINDS.items():
        model = tiny.model(**SIZES, **options)
        rate = keras.optimizers.schedules.CosineDecay(0.01, STEPS)
        model.compile(keras.optimizers.Adam(rate), MaskedCrossentropy())
        model.fit(inputs, labels, batch_size=BATCH, shuffle=False, verbose=0)
        scores = [accuracy(model, lengths) for lengths in (SHORT, LONG)]
        results[kind] = (model.count_params(), *scores)
    return results


@pytest.mark.slow
def test_both_have_the_same_budget(trained):
    counts = [count for count, _, _ in trained.values()]
    assert max(counts) / min(counts) < 1.01


@pytest.mark.slow
def test_attention_keeps_its_accuracy_on_long_lines(trained):
    _, short, long = trained["attention"]
    assert short > 0.95
    assert long > 0.95 * short


@pytest.mark.slow
def test_one_vector_loses_its_accuracy_on_long_lines(trained):
    _, short, long = trained["plain"]
    assert short > 0.9  # it has learnt the task
    assert long < 0.7 * short
