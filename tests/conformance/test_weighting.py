"""Losses and metrics obey Keras's weighting protocol, compared with NumPy."""

import importlib
import pkgutil
from typing import Any, NamedTuple

import keras
import layer_tools
import numpy as np
import pytest
import reference
from keras import ops

import keras_attn.metrics
from keras_attn import masking
from keras_attn.metrics import (
    MaskedCrossentropy,
    Perplexity,
    TokenAccuracy,
    guided_attention_loss,
    sample_weight_of_classes,
)

B, T, V = 5, 4, 7
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(1, V, size=(B, T))
LABELS[np.arange(T) >= [[4], [2], [3], [1], [0]]] = 0  # B and T differ, as do lengths
LOGITS = RANDOM.normal(scale=2, size=(B, T, V)).astype("float32")
LOGITS[0, :2] += 9 * np.eye(V, dtype="float32")[LABELS[0, :2]]  # some are correct
HIDDEN = RANDOM.random((B, T)) < 0.4


def cross_entropy(labels, logits, smoothing=0.0):
    values = np.zeros(labels.shape)
    values[labels != 0] = reference.token_losses(labels, logits, smoothing)
    return values


def correct(labels, logits):
    return (logits.argmax(axis=-1) == labels).astype("float64")


class Case(NamedTuple):
    make: Any
    values: Any  # of each token, by NumPy
    final: Any = lambda mean: mean


CASES = {
    "loss": Case(MaskedCrossentropy, cross_entropy),
    "smoothed loss": Case(
        lambda **options: MaskedCrossentropy(0.1, **options),
        lambda labels, logits: cross_entropy(labels, logits, 0.1),
    ),
    "accuracy": Case(TokenAccuracy, correct),
    "perplexity": Case(Perplexity, cross_entropy, np.exp),
}
all_cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
WEIGHTS = {
    "none": None,
    "one": np.float32(0.3),
    "ones": np.ones(B, "float32"),
    "sentences": np.array([0.5, 2.0, 0.0, 1.5, 3.0], "float32"),
    "column": np.array([[0.01], [0.02], [0.0], [0.05], [0.1]], "float32"),
    "tokens": RANDOM.uniform(size=(B, T)).astype("float32"),
    "integers": np.arange(B),
    "booleans": np.arange(B) % 2 == 0,
}


def token_weights(weight, labels=LABELS):
    real = (labels != 0).astype("float64")
    if weight is None:
        return real
    weight = np.asarray(weight, "float64")
    return real * (weight[:, None] if weight.ndim == 1 else weight)


def expected(case, weights, labels=LABELS, logits=LOGITS):
    total = weights.sum()
    mean = (case.values(labels, logits) * weights).sum() / total if total else 0.0
    return case.final(mean)


def compute(case, labels, logits, weight=None, **options):
    measure = case.make(**options)
    if isinstance(measure, keras.losses.Loss):
        return measure(labels, logits, sample_weight=weight)
    measure.update_state(labels, logits, sample_weight=weight)
    return measure.result()


def assert_close(result, wanted):
    if hasattr(result, "dtype"):
        result = layer_tools.array(result)
    # float32 against float64.
    np.testing.assert_allclose(result, wanted, rtol=2e-5)


@all_cases
@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_of_sentences_and_tokens_act_inside_the_mean(case, weight):
    result = compute(case, LABELS, LOGITS, weight)
    assert_close(result, expected(case, token_weights(weight)))


@all_cases
@pytest.mark.parametrize("masked", ["y_true", "y_pred", "both"])
def test_masks_that_keras_carries_count(case, masked):
    labels, logits = ops.array(LABELS), ops.array(LOGITS)
    if masked != "y_true":
        logits = masking.attach_mask(logits, ops.array(~HIDDEN))
    if masked != "y_pred":
        labels = masking.attach_mask(labels, ops.array(~HIDDEN))
    weight = WEIGHTS["sentences"]
    result = compute(case, labels, logits, weight)
    assert_close(result, expected(case, token_weights(weight) * ~HIDDEN))


@all_cases
def test_without_any_weight_the_mean_is_0(case):
    assert_close(compute(case, LABELS, LOGITS, np.zeros(B)), case.final(0.0))
    assert_close(compute(case, 0 * LABELS, LOGITS), case.final(0.0))


@pytest.mark.parametrize("kind", [TokenAccuracy, Perplexity])
def test_a_metric_of_many_batches_is_that_of_their_union(kind):
    case = next(case for case in CASES.values() if case.make is kind)
    metric, weight = kind(), WEIGHTS["tokens"]
    for rows in (slice(0, 2), slice(2, 3), slice(3, 5)):
        metric.update_state(LABELS[rows], LOGITS[rows], sample_weight=weight[rows])
    assert_close(metric.result(), expected(case, token_weights(weight)))


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
def test_reductions_are_those_of_keras(weight):
    weights, real = token_weights(weight), token_weights(None)
    losses = cross_entropy(LABELS, LOGITS) * weights
    divisors = {
        "sum": 1,
        "mean": real.sum(),
        "sum_over_batch_size": real.sum(),
        "mean_with_sample_weight": weights.sum(),
    }
    for reduction, divisor in divisors.items():
        result = MaskedCrossentropy(reduction=reduction)(LABELS, LOGITS, weight)
        assert_close(result, losses.sum() / divisor)
    for reduction in (None, "none"):
        result = MaskedCrossentropy(reduction=reduction)(LABELS, LOGITS, weight)
        np.testing.assert_allclose(layer_tools.array(result), losses, atol=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "mean_with_sample_weight"])
def test_padding_is_to_the_loss_what_a_mask_is_to_keras(reduction):
    class Keras(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.losses.sparse_categorical_crossentropy(
                y_true, y_pred, from_logits=True
            )

    labels, weight = ops.array(LABELS), WEIGHTS["tokens"]
    logits = masking.attach_mask(ops.array(LOGITS), ops.not_equal(labels, 0))
    wanted = Keras(reduction=reduction)(labels, logits, weight)
    result = MaskedCrossentropy(reduction=reduction)(labels, ops.array(LOGITS), weight)
    assert_close(result, layer_tools.array(wanted))


@all_cases
@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "int64", "float32", "float16"]
)
def test_labels_of_any_type(case, dtype):
    result = compute(case, LABELS.astype(dtype), LOGITS)
    assert_close(result, expected(case, token_weights(None)))


@all_cases
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_result_has_the_dtype_and_no_more_rounding(case, dtype):
    vocabulary = 3000  # float16 and bfloat16 hold no such ids
    labels = np.full((4, 8), vocabulary - 1)
    logits = np.zeros((4, 8, vocabulary), "float32")
    logits[:, :, -1] = np.log(vocabulary)
    result = compute(case, labels, logits, dtype=dtype)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    wanted = expected(case, np.ones(labels.shape), labels, logits)
    np.testing.assert_allclose(
        layer_tools.array(ops.cast(result, "float32")), wanted, rtol=4e-3
    )


@all_cases
@pytest.mark.parametrize(
    ("labels", "logits"),
    [
        ((B, T, 1), (B, T, V)),
        ((B, T, V), (B, T, V)),
        ((B, T - 1), (B, T, V)),
        ((B, T + 1), (B, T, V)),
        ((1, T), (B, T, V)),
        ((B,), (B, T, V)),
        ((B, T), (B, V)),
    ],
)
def test_labels_that_do_not_fit_are_refused(case, labels, logits):
    with pytest.raises(ValueError, match="Received: y_true") as error:
        compute(case, np.ones(labels, "int32"), np.ones(logits, "float32"))
    for text in ("(B, T)", "(B, T, V)", str(labels), str(logits), "layer"):
        assert text in str(error.value)


@all_cases
def test_booleans_are_no_labels(case):
    with pytest.raises(ValueError, match="Received: y_true of dtype bool"):
        compute(case, LABELS > 0, LOGITS)


@all_cases
@pytest.mark.parametrize("shape", [(T,), (1,), (B, T, 1), (B, T + 1), (1, T), (B, V)])
def test_weights_that_do_not_fit_are_refused(case, shape):
    with pytest.raises(ValueError, match=r"\(B,\).*\(B, T\).*Received: sample_weight"):
        compute(case, LABELS, LOGITS, np.ones(shape, "float32"))


@all_cases
def test_every_class_is_restored(case):
    for options in ({}, {"dtype": "float16", "pad_id": 3, "name": "mine"}):
        measure = case.make(**options)
        again = type(measure).from_config(measure.get_config())
        assert again.get_config() == measure.get_config()
        assert again.dtype == measure.dtype


def test_a_loss_of_version_0_1_0_is_the_mean_that_it_was():
    config = {"name": "loss", "reduction": "sum", "label_smoothing": 0.1, "pad_id": 0}
    loss = MaskedCrossentropy.from_config(config)
    assert loss.reduction == "mean_with_sample_weight"
    case = CASES["smoothed loss"]
    assert_close(loss(LABELS, LOGITS), expected(case, token_weights(None)))


def test_guided_attention_takes_the_weights_of_the_loss():
    attention = RANDOM.dirichlet(np.ones(6), size=(B, T)).astype("float32")
    links = RANDOM.random((B, T, 6)) < 0.3
    counts = links.sum(axis=-1)
    losses = -(links * np.log(attention)).sum(axis=-1) / np.maximum(counts, 1)
    for weight in WEIGHTS.values():
        result = guided_attention_loss(attention, links, sample_weight=weight)
        weights = token_weights(weight, counts)
        np.testing.assert_allclose(
            layer_tools.array(result), (losses * weights).sum() / weights.sum(), 1e-4
        )
    assert float(guided_attention_loss(attention, links, np.zeros(B))) == 0
    with pytest.raises(ValueError, match=r"Received: sample_weight of shape \(4,\)"):
        guided_attention_loss(attention, links, np.ones(T))
    with pytest.raises(ValueError, match=r"\(B, T, S\).*Received:.*\(5, 4, 5\)"):
        guided_attention_loss(attention, links[:, :, 1:])


def test_weights_of_classes_are_those_of_the_labels():
    weight = sample_weight_of_classes(LABELS, {1: 0.5, 4: 3.0, 5: 0.0})
    wanted = np.array([1, 0.5, 1, 1, 3, 0, 1])[LABELS]
    np.testing.assert_array_equal(layer_tools.array(weight), wanted)
    np.testing.assert_array_equal(sample_weight_of_classes(LABELS, {}), np.ones((B, T)))


def test_no_loss_or_metric_is_missing():
    classes = set()
    modules = pkgutil.walk_packages(keras_attn.metrics.__path__, "keras_attn.metrics.")
    for module in modules:
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, type) and not name.startswith("_"):
                classes.add(value)
    kinds = (keras.losses.Loss, keras.metrics.Metric)
    ours = {
        value
        for value in classes
        if issubclass(value, kinds) and value.__module__.startswith("keras_attn")
    }
    assert ours == {type(case.make()) for case in CASES.values()}


def model_of_ids():
    """Predicts each word from itself alone; Keras carries its mask to the logits."""
    words = keras.Input((None,), dtype="int32")
    rows = keras.layers.Embedding(V, 6, mask_zero=True)(words)
    return keras.Model(words, keras.layers.Dense(V, name="logits")(rows))


class TestFit:
    weight = WEIGHTS["tokens"]

    def fit(self, *data, **options):
        keras.utils.set_random_seed(0)
        model = model_of_ids()
        loss = MaskedCrossentropy()
        metrics = [Perplexity(name="plain")]
        model.compile("sgd", loss, metrics=metrics, weighted_metrics=[Perplexity()])
        logits = layer_tools.array(model(LABELS))
        history = model.fit(
            *data, batch_size=B, shuffle=False, verbose=0, **options
        ).history
        return model, logits, {name: values[0] for name, values in history.items()}

    def assert_metrics(self, metrics, logits, weight):
        perplexity = CASES["perplexity"]
        plain = expected(perplexity, token_weights(None), logits=logits)
        weighted = expected(perplexity, token_weights(weight), logits=logits)
        assert_close(metrics["loss"], np.log(weighted))
        assert_close(metrics["plain"], plain)
        assert_close(metrics["perplexity"], weighted)

    @pytest.mark.parametrize("name", ["sentences", "tokens"])
    def test_sample_weight_in_fit_and_evaluate(self, name):
        weight = WEIGHTS[name]
        model, logits, metrics = self.fit(LABELS, LABELS, sample_weight=weight)
        self.assert_metrics(metrics, logits, weight)
        # Batches of different weight: the metric is that of their union.
        logits = layer_tools.array(model(LABELS))
        metrics = model.evaluate(
            *(LABELS, LABELS), sample_weight=weight, batch_size=2, verbose=0,
            return_dict=True,
        )  # fmt: skip
        wanted = expected(CASES["perplexity"], token_weights(weight), logits=logits)
        assert_close(metrics["perplexity"], wanted)

    def test_sample_weight_as_third_element_of_a_dataset(self):
        class Batches(keras.utils.PyDataset):
            def __len__(self):
                return 1

            def __getitem__(self, index):
                return LABELS, LABELS, TestFit.weight

        keras.utils.set_random_seed(0)
        model = model_of_ids()
        model.compile("sgd", MaskedCrossentropy(), weighted_metrics=[Perplexity()])
        logits = layer_tools.array(model(LABELS))
        [loss], [perplexity] = model.fit(
            Batches(), verbose=0, shuffle=False
        ).history.values()
        weighted = expected(
            CASES["perplexity"], token_weights(self.weight), logits=logits
        )
        assert_close([loss, np.log(perplexity)], [np.log(weighted)] * 2)

    def test_no_weight_at_all_changes_nothing(self):
        model, _, metrics = self.fit(LABELS, LABELS, sample_weight=np.zeros(B))
        keras.utils.set_random_seed(0)
        before = model_of_ids()
        for weight, old in zip(model.get_weights(), before.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, old)
        assert metrics["loss"] == 0


def test_class_weight_of_a_seq2seq_is_that_of_each_token(monkeypatch):
    import tiny

    monkeypatch.setattr(keras.Model, "fit", lambda self, x, y, **options: options)
    inputs, labels = tiny.copy_task(tiny.ids(4, 3))
    class_weight = {3: 0.25, 5: 4.0, 12: 0.0}
    model = tiny.model()
    options = model.fit(inputs, labels, class_weight=class_weight, epochs=2)
    weight = np.vectorize(lambda label: class_weight.get(label, 1.0))(labels)
    np.testing.assert_array_equal(options.pop("sample_weight"), weight)
    assert options == {"epochs": 2}
    for data in ((inputs, labels), (iter(()),)):
        with pytest.raises(ValueError, match=r"sample_weight_of_classes\(labels"):
            model.fit(*data, class_weight=class_weight, sample_weight=np.ones(4))


@pytest.mark.parametrize("unknown", [(None, None), (B, None), (None, T)], ids=str)
@all_cases
def test_unknown_sizes_pass_in_a_traced_function(case, unknown):
    if layer_tools.BACKEND != "tensorflow":
        pytest.skip("Only TensorFlow traces functions of unknown sizes.")
    import tensorflow as tf

    measure = case.make()
    rows, length = unknown

    @tf.function(
        input_signature=[
            tf.TensorSpec((rows, length), "int32"),
            tf.TensorSpec((None, None, V)),
            tf.TensorSpec((rows,)),
        ],
        autograph=False,
    )
    def run(labels, logits, weight):
        if isinstance(measure, keras.losses.Loss):
            return measure(labels, logits, weight)
        measure.update_state(labels, logits, weight)
        return measure.result()

    weight = WEIGHTS["sentences"]
    result = run(LABELS.astype("int32"), LOGITS, weight)
    assert_close(result, expected(case, token_weights(weight)))


@all_cases
def test_shapes_that_do_not_fit_are_refused_while_tracing(case):
    if layer_tools.BACKEND == "torch":
        pytest.skip("Keras runs PyTorch eagerly; nothing is traced.")
    measure = case.make()

    def run(labels, logits):
        if isinstance(measure, keras.losses.Loss):
            return measure(labels, logits)
        return measure.stateless_update_state(measure.variables, labels, logits)

    with pytest.raises(ValueError, match=r"\(B, T\).*\(B, T, V\).*Received"):
        layer_tools.graph(run)(ops.ones((B, T, V)), ops.ones((B, T, V)))
