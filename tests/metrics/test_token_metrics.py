import json

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from keras_attn.metrics import Perplexity, TokenAccuracy

V = 7
GENERATOR = np.random.default_rng(0)


def batches():
    """Three batches of different shape and share of padding."""
    for rows, length, real in [(3, 4, 0.8), (1, 2, 0.5), (2, 6, 0.3)]:
        labels = GENERATOR.integers(1, V, size=(rows, length))
        labels[GENERATOR.random(labels.shape) > real] = 0
        logits = GENERATOR.normal(scale=2, size=(rows, length, V)).astype("float32")
        # Right for about half of the tokens.
        logits += 5 * np.eye(V)[labels] * (GENERATOR.random((rows, length, 1)) > 0.5)
        yield labels, logits.astype("float32")


def expected(metric, batches):
    if isinstance(metric, TokenAccuracy):
        return np.concatenate([reference.hits(*batch) for batch in batches]).mean()
    losses = [reference.token_losses(*batch) for batch in batches]
    return np.exp(np.concatenate(losses).mean())


both = pytest.mark.parametrize("kind", [TokenAccuracy, Perplexity])


@both
@pytest.mark.parametrize("compiled", [False, True])
def test_every_token_counts_once_over_all_updates(kind, compiled):
    metric, seen = kind(), []
    update = metric.update_state
    if compiled:
        update = tf.function(update, reduce_retracing=True)
    for batch in batches():
        update(*map(tf.constant, batch))
        seen.append(batch)
        # float32 against float64.
        np.testing.assert_allclose(metric.result(), expected(metric, seen), rtol=1e-5)
    metric.reset_state()
    update(*map(tf.constant, seen[0]))
    np.testing.assert_allclose(metric.result(), expected(metric, seen[:1]), rtol=1e-5)


@pytest.mark.parametrize(("kind", "empty"), [(TokenAccuracy, 0), (Perplexity, 1)])
def test_padding_alone(kind, empty):
    metric = kind()
    metric.update_state(np.zeros((2, 3), int), GENERATOR.normal(size=(2, 3, V)))
    assert float(metric.result()) == empty


@both
def test_config_survives_json(kind):
    metric = kind(pad_id=3, name="mine")
    config = json.loads(json.dumps(keras.metrics.serialize(metric)))
    again = keras.metrics.deserialize(config)
    assert isinstance(again, kind)
    assert again.get_config() == metric.get_config()
