import subprocess
import sys
import textwrap

import keras
import layer_tools
import numpy as np
import pytest
import reference
import tensorflow as tf
import tiny

from keras_attn import Seq2Seq
from keras_attn.layers.embedding import create_word_dropout
from keras_attn.metrics import MaskedCrossentropy, Perplexity, TokenAccuracy

KINDS = {
    "gru": {},
    "lstm": {"cell": "lstm"},
    "simple_rnn": {"cell": "simple_rnn"},
    "no attention": {"attention": None},
    "untied": {"tie_embeddings": False, "readout_units": 9},
    "shared": {"share_embeddings": True},
    "shared, untied": {"share_embeddings": True, "tie_embeddings": False},
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
INPUTS, LABELS = tiny.copy_task(tiny.ids(6, 5))


def compiled(model, learning_rate=0.01):
    metrics = [TokenAccuracy(), Perplexity()]
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(optimizer, MaskedCrossentropy(), metrics=metrics)
    return model


def score_by_hand(model, source, target, source_kept=1.0, target_kept=1.0):
    """Section 3 and A.2 from ids to logits, one sentence, with a model's weights.

    `source_kept` and `target_kept` are factors of the words' vectors, `(L, 1)`.
    """
    table = np.float64(model.target_embedding.table)
    width = np.sqrt(model.config.embedding_dim)
    encoder, decoder = model.encoder, model.decoder
    directions = [encoder.rnn.forward_layer, encoder.rnn.backward_layer]
    words = source_kept * width * np.float64(encoder.embedding.table)[source]
    rows, summary = reference.bidirectional(
        *(reference.cell_step(each.cell) for each in directions),
        words,
        [np.zeros(model.config.encoder_units)],
    )
    previous = target_kept * width * table[target]
    outputs, contexts, weights, _ = reference.decode(
        reference.cell_step(decoder.cell.cell),
        reference.additive(decoder.cell.attention),
        previous,
        rows,
        np.ones(len(rows), bool),
        [reference.dense_tanh(each, summary) for each in decoder.bridge.maps],
    )
    features = [
        reference.dense_tanh(model.readout.mix, np.concatenate(parts))
        for parts in zip(outputs, contexts, previous, strict=True)
    ]
    return np.array(features) @ table.T, weights


def test_word_dropout_drops_whole_words_in_training_only():
    rates = {"source_word_dropout": 0.3, "target_word_dropout": 0.6}
    model = layer_tools.randomise(Seq2Seq(tiny.config(**rates, seed=5)))
    logits, _ = model.score(INPUTS["source"], INPUTS["target"], training=True)
    # The same draws again, of ones.
    kept = []
    for name, layer in (
        ("source", model.encoder.word_dropout),
        ("target", model.target_word_dropout),
    ):
        again = create_word_dropout(layer.rate, seed=layer.seed)
        ones = np.ones((*INPUTS[name].shape, 1), "float32")
        kept.append(np.asarray(again(ones, training=True), "float64"))
        np.testing.assert_allclose(kept[-1][kept[-1] > 0], 1 / (1 - layer.rate))
        assert 0 < np.mean(kept[-1] == 0) < 1
    assert model.encoder.word_dropout.seed != model.target_word_dropout.seed
    for row, source in enumerate(INPUTS["source"]):
        real = source != tiny.PAD
        want, _ = score_by_hand(
            model,
            source[real],
            INPUTS["target"][row],
            kept[0][row][real],
            kept[1][row],
        )
        # float32 against float64 through two recurrences.
        np.testing.assert_allclose(logits[row], want, rtol=1e-4, atol=1e-4)
    calm, _ = model.score(INPUTS["source"], INPUTS["target"])
    plain = tiny.model()
    plain.set_weights(model.get_weights())
    want, _ = plain.score(INPUTS["source"], INPUTS["target"])
    np.testing.assert_array_equal(calm, want)


def test_equals_the_paper_from_ids_to_logits():
    model = layer_tools.randomise(tiny.model())
    logits, weights = model.score(INPUTS["source"], INPUTS["target"])
    for row, source in enumerate(INPUTS["source"]):
        source = source[source != tiny.PAD]
        want, looked = score_by_hand(model, source, INPUTS["target"][row])
        # float32 against float64 through two recurrences.
        np.testing.assert_allclose(logits[row], want, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            weights[row, :, : len(source)], looked, rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param({"cell": "lstm", "tie_embeddings": False}, id="lstm, untied"),
        # The same path through Keras; conformance tests train and save these too.
        pytest.param({}, id="gru", marks=pytest.mark.slow),
        pytest.param(
            {"cell": "simple_rnn", "attention": None, "share_embeddings": True},
            id="simple_rnn, shared, no attention",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_compile_fit_evaluate_predict_save_load(tmp_path, kind):
    model = compiled(tiny.model(**kind, seed=3))
    history = model.fit(INPUTS, LABELS, batch_size=3, epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
    model.run_eagerly = True  # further traces take seconds and add nothing
    results = model.evaluate(INPUTS, LABELS, verbose=0, return_dict=True)
    assert set(results) == {"loss", "token_accuracy", "perplexity"}
    want = model.predict(INPUTS, batch_size=6, verbose=0)
    assert want.shape == (*LABELS.shape, 13)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.run_eagerly = True
    assert again.get_config() == model.get_config()
    assert again.optimizer.iterations == model.optimizer.iterations
    for weight, expected in zip(again.weights, model.weights, strict=True):
        assert weight.path == expected.path
        np.testing.assert_array_equal(weight, expected)
    np.testing.assert_array_equal(again.predict(INPUTS, batch_size=6, verbose=0), want)


# Slow, as it starts TensorFlow; the test of translators does so by default.
@pytest.mark.slow
def test_loads_in_a_fresh_process(tmp_path):
    model = compiled(tiny.model())
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "batch.npz", **INPUTS, want=model(INPUTS))
    program = """
        import keras, numpy as np
        import keras_attn.models
        model = keras.saving.load_model("model.keras")
        batch = dict(np.load("batch.npz"))
        want = batch.pop("want")
        np.testing.assert_array_equal(model(batch), want)
        print("equal")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "equal", done.stderr


def test_exports_when_fitted(tmp_path):
    model = compiled(tiny.model())
    model.run_eagerly = True  # a trace takes longer than a step
    model.fit(INPUTS, LABELS, verbose=0)
    model.export(tmp_path / "export", verbose=False)
    exported = tf.saved_model.load(tmp_path / "export")
    for rows, source_length, target_length in ((6, 5, 5), (1, 9, 2), (3, 1, 7)):
        inputs = {
            "source": tf.constant(tiny.ids(rows, source_length), "int32"),
            "target": tf.constant(tiny.ids(rows, target_length, seed=1), "int32"),
        }
        want = model(inputs)
        np.testing.assert_allclose(exported.serve(inputs), want, atol=1e-5)
        [served] = exported.signatures["serving_default"](**inputs).values()
        np.testing.assert_allclose(served, want, atol=1e-5)


@every_kind
def test_shared_tables_are_one(kind):
    model = tiny.model(**kind)
    tables = [w for w in model.weights if w.path.endswith("table")]
    assert len(tables) == (1 if kind.get("share_embeddings") else 2)
    assert len({weight.path for weight in model.weights}) == len(model.weights)


@pytest.mark.parametrize("policy", ["mixed_float16"])
def test_fits_in_mixed_precision(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    model = compiled(tiny.model(dropout=0.2))
    model.run_eagerly = True  # a trace takes longer than two steps
    history = model.fit(INPUTS, LABELS, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert {w.dtype for w in model.trainable_weights} == {"float32"}
    logits, weights = model.score(INPUTS["source"], INPUTS["target"])
    assert (logits.dtype, weights.dtype) == (policy.removeprefix("mixed_"), "float32")
    model.save(tmp_path / "model.keras")
    # A file keeps its policy, whatever the process that loads it has set.
    keras.config.set_dtype_policy("float32")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(INPUTS), logits)


def test_dropout_with_one_seed_differs_between_layers():
    model = tiny.model(dropout=0.5, seed=7)
    ones = np.ones((4, 5, 8), "float32")
    places = [model.encoder.dropout, model.target_dropout, model.readout.dropout]
    drawn = [np.asarray(place(ones, training=True)).tobytes() for place in places]
    assert len(set(drawn)) == 3


def test_dropout_only_in_training():
    model = tiny.model(dropout=0.3, seed=7)
    np.testing.assert_array_equal(model(INPUTS), model(INPUTS))
    draws = [model(INPUTS, training=True).numpy() for _ in range(2)]
    assert (draws[0] != draws[1]).any()


def test_refuses_what_is_no_config():
    with pytest.raises(ValueError, match=r"must be a `Seq2SeqConfig`.*config=3"):
        Seq2Seq(3)


@pytest.mark.parametrize(
    ("inputs", "rule"),
    [
        (
            {"source": INPUTS["source"]},
            r"a dict of `source` and `target`.*\['source'\]",
        ),
        (INPUTS["source"], "a dict of `source` and `target`"),
        ({**INPUTS, "source": LABELS[0]}, r"`source` must have shape .*\(5,\)"),
        ({**INPUTS, "target": LABELS[0]}, r"`target` must have shape .*\(5,\)"),
    ],
)
def test_refuses_inputs(inputs, rule):
    with pytest.raises(ValueError, match=rule):
        tiny.model()(inputs)


def test_a_graph_for_inference_holds_no_random_state():
    """A server could not track the seeds of dropout, nor should it move them."""
    model = tiny.model(dropout=0.3, recurrent_dropout=0.3)
    spec = tf.TensorSpec([None, None], tf.int32)
    graph = tf.function(model.encode, [spec], autograph=False).get_concrete_function()
    captured = {variable.name for variable in graph.variables}
    assert captured
    assert not [name for name in captured if "seed" in name]
