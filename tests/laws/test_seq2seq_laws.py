"""What holds for every attention encoder-decoder, whatever its weights."""

import functools

import keras
import layer_tools
import numpy as np
import pytest
import tiny
from layer_tools import array, arrays

from keras_attn.decoding import beam_search, greedy_search
from keras_attn.metrics import MaskedCrossentropy

KINDS = {
    "gru": {},
    "lstm": {"cell": "lstm"},
    "simple_rnn": {"cell": "simple_rnn"},
    "no attention": {"attention": None},
    "untied": {"tie_embeddings": False},
}
every_kind = pytest.mark.parametrize("kind", KINDS)
INPUTS, LABELS = tiny.copy_task(tiny.ids(6, 5))


@functools.cache
def model_of(kind):
    return layer_tools.randomise(tiny.model(**KINDS[kind]))


@functools.cache
def teacher_forced(kind):
    """Logits and attention weights of the training scan."""
    return arrays(model_of(kind).score(INPUTS["source"], INPUTS["target"]))


@every_kind
def test_step_by_step_equals_teacher_forcing(kind):
    model = model_of(kind)
    logits, weights = teacher_forced(kind)
    state, memory = model.encode(INPUTS["source"])
    for t in range(INPUTS["target"].shape[1]):
        step_logits, state, step_weights = model.step(
            INPUTS["target"][:, t], state, memory
        )
        # The same sums of float32, in products of other shapes.
        np.testing.assert_allclose(
            array(step_logits), logits[:, t], rtol=1e-5, atol=1e-5
        )
        np.testing.assert_allclose(
            array(step_weights), weights[:, t], rtol=1e-5, atol=1e-6
        )


@every_kind
def test_target_words_after_a_step_do_not_change_its_output(kind):
    model = model_of(kind)
    logits = array(model(INPUTS))
    for t in (0, 2):
        other = INPUTS["target"].copy()
        other[:, t + 1 :] = 11
        changed = array(model({**INPUTS, "target": other}))
        np.testing.assert_array_equal(changed[:, : t + 1], logits[:, : t + 1])
        assert (changed[:, t + 1 :] != logits[:, t + 1 :]).any()


@every_kind
def test_attention_rows_sum_to_one_over_real_tokens(kind):
    _, weights = teacher_forced(kind)
    sums = 0 if "attention" in KINDS[kind] else 1
    np.testing.assert_allclose(np.sum(weights, axis=-1), sums, rtol=1e-5)
    padding = np.broadcast_to((INPUTS["source"] == tiny.PAD)[:, None], weights.shape)
    np.testing.assert_array_equal(weights[padding], 0)


@every_kind
def test_source_padding_and_the_rest_of_the_batch_change_nothing(kind):
    model = model_of(kind)
    logits, _ = teacher_forced(kind)
    wide = np.pad(INPUTS["source"], [(0, 0), (0, 3)])
    padded = model({**INPUTS, "source": wide})
    np.testing.assert_allclose(array(padded), logits, rtol=1e-5, atol=1e-5)
    for row, source in enumerate(INPUTS["source"][:3]):
        alone = {
            "source": source[None, source != tiny.PAD],
            "target": INPUTS["target"][row : row + 1],
        }
        np.testing.assert_allclose(
            array(model(alone))[0], logits[row], rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("vocabulary_size", [50, 2000])
def test_the_first_loss_is_about_ln_v(vocabulary_size):
    model = tiny.model(
        source_vocabulary_size=vocabulary_size,
        target_vocabulary_size=vocabulary_size,
        embedding_dim=32,
        readout_units=32,
        encoder_units=24,
        decoder_units=48,
    )
    source = tiny.ids(64, 9, vocabulary_size)
    inputs, labels = tiny.copy_task(source)
    loss = float(array(MaskedCrossentropy()(labels, model(inputs))))
    assert abs(loss / np.log(vocabulary_size) - 1) < 0.1


def search(function, model, source, limit=9, **options):
    """Runs a search of a model; NumPy in, NumPy out."""
    state, memory = model.encode(source)
    special = {"start_id": tiny.START, "end_id": tiny.END, "pad_id": tiny.PAD}
    limits = np.full(len(source), limit)
    hypotheses = function(
        model.step, state, memory, max_lengths=limits, **special, **options
    )
    return type(hypotheses)(*(array(field) for field in hypotheses))


@every_kind
def test_a_beam_of_one_is_greedy_search(kind):
    model, source = model_of(kind), INPUTS["source"][:3]
    greedy = search(greedy_search, model, source)
    beam = search(beam_search, model, source, beam_size=1)
    np.testing.assert_array_equal(beam.token_ids, greedy.token_ids)
    np.testing.assert_allclose(beam.scores, greedy.scores, rtol=1e-5)
    np.testing.assert_allclose(beam.attention, greedy.attention, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(greedy.token_scores.sum(-1), greedy.scores, rtol=1e-5)


@pytest.mark.parametrize(
    "backwards",
    [pytest.param(False, marks=pytest.mark.slow), True],
    ids=["copy", "reverse"],
)
def test_learns_to_copy_twenty_sentences(backwards):
    source = tiny.ids(20, 6, seed=5)
    inputs, labels = tiny.copy_task(source, backwards)
    model = tiny.model(
        embedding_dim=16,
        readout_units=16,
        encoder_units=16,
        decoder_units=24,
        attention_units=16,
    )
    model.compile(keras.optimizers.Adam(0.02), MaskedCrossentropy())
    # One long epoch, since every epoch has costs of its own.
    repeated = {name: np.tile(value, (80, 1)) for name, value in inputs.items()}
    repeated_labels = np.tile(labels, (80, 1))
    model.fit(repeated, repeated_labels, batch_size=20, shuffle=False, verbose=0)
    best = search(greedy_search, model, source)
    for row, label in enumerate(labels):
        token_ids = best.token_ids[row, 0, : best.lengths[row, 0]]
        np.testing.assert_array_equal(token_ids, label[label != tiny.PAD])
