"""What holds for every attention encoder-decoder, whatever its weights."""

import keras
import layer_tools
import numpy as np
import pytest
import tiny
from layer_tools import array, arrays

from keras_attn.decoding import beam_search, greedy_search, score_targets
from keras_attn.metrics import MaskedCrossentropy

KINDS = {
    "gru": {},
    "lstm": {"cell": "lstm"},
    "simple_rnn": {"cell": "simple_rnn"},
    "no attention": {"attention": None},
    "untied": {"tie_embeddings": False},
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
INPUTS, LABELS = tiny.copy_task(tiny.ids(6, 5))
SPECIAL = {"start_id": tiny.START, "pad_id": tiny.PAD}


@every_kind
def test_step_by_step_equals_teacher_forcing(kind):
    model = layer_tools.randomise(tiny.model(**kind))
    logits, weights = arrays(model.score(INPUTS["source"], INPUTS["target"]))
    state, memory = model.encode(INPUTS["source"])
    for t in range(INPUTS["target"].shape[1]):
        now, state, looked = model.step(INPUTS["target"][:, t], state, memory)
        # The same sums of float32, in products of other shapes.
        np.testing.assert_allclose(array(now), logits[:, t], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(array(looked), weights[:, t], rtol=1e-5, atol=1e-6)


@every_kind
def test_no_output_knows_later_words(kind):
    model = layer_tools.randomise(tiny.model(**kind))
    logits = array(model(INPUTS))
    for t in range(INPUTS["target"].shape[1]):
        other = INPUTS["target"].copy()
        other[:, t + 1 :] = 11
        changed = array(model({**INPUTS, "target": other}))
        np.testing.assert_array_equal(changed[:, : t + 1], logits[:, : t + 1])
        if t + 1 < other.shape[1]:
            assert (changed[:, t + 1 :] != logits[:, t + 1 :]).any()


@every_kind
def test_attention_rows_sum_to_one_over_real_tokens(kind):
    model = layer_tools.randomise(tiny.model(**kind))
    _, weights = arrays(model.score(INPUTS["source"], INPUTS["target"]))
    real = INPUTS["source"] != tiny.PAD
    want = 0 if "attention" in kind else 1
    np.testing.assert_allclose(np.sum(weights, axis=-1), want, rtol=1e-5)
    hidden = np.broadcast_to(~real[:, None], weights.shape)
    np.testing.assert_array_equal(weights[hidden], 0)


@every_kind
def test_source_padding_and_batch_mates_change_nothing(kind):
    model = layer_tools.randomise(tiny.model(**kind))
    logits = array(model(INPUTS))
    wide = model({**INPUTS, "source": np.pad(INPUTS["source"], [(0, 0), (0, 3)])})
    np.testing.assert_allclose(array(wide), logits, rtol=1e-5, atol=1e-5)
    for row, source in enumerate(INPUTS["source"]):
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
    state, memory = model.encode(source)
    limits = np.full(len(source), limit)
    found = function(
        model.step, state, memory, max_lengths=limits, end_id=tiny.END, **SPECIAL,
        **options,
    )  # fmt: skip
    return type(found)(*(keras.ops.convert_to_numpy(field) for field in found))


@every_kind
def test_beam_of_one_is_greedy_and_scores_are_those_of_forced_decoding(kind):
    model = layer_tools.randomise(tiny.model(**kind))
    greedy = search(greedy_search, model, INPUTS["source"])
    beam = search(beam_search, model, INPUTS["source"], beam_size=1)
    np.testing.assert_array_equal(beam.token_ids, greedy.token_ids)
    np.testing.assert_allclose(beam.scores, greedy.scores, rtol=1e-5)
    np.testing.assert_allclose(beam.attention, greedy.attention, rtol=1e-5, atol=1e-6)
    state, memory = model.encode(INPUTS["source"])
    forced = score_targets(
        model.step,
        state,
        memory,
        target_ids=greedy.token_ids[:, 0],
        target_lengths=greedy.lengths[:, 0],
        **SPECIAL,
    )
    np.testing.assert_allclose(array(forced.scores), greedy.scores, rtol=1e-5)
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
    # One long epoch, since each costs time of its own.
    again = {name: np.tile(value, (80, 1)) for name, value in inputs.items()}
    model.fit(again, np.tile(labels, (80, 1)), batch_size=20, shuffle=False, verbose=0)
    found = search(greedy_search, model, source)
    for row, label in enumerate(labels):
        written = found.token_ids[row, 0, : found.lengths[row, 0]]
        np.testing.assert_array_equal(written, label[label != tiny.PAD])
