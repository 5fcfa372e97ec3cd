"""The fused optimizer takes the steps of Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.training.loop.optimizer import FusedAdam

SHAPES = [(3, 4), (5,), ()]


def steps(optimizer, compiled, count=5):
    """Returns the weights after some updates by gradients of all sizes."""
    generator = np.random.default_rng(7)
    weights = [
        keras.Variable(generator.normal(size=shape).astype("float32"))
        for shape in SHAPES
    ]
    optimizer.build(weights)
    update = lambda *gradients: optimizer.apply(list(gradients), weights)  # noqa: E731
    if compiled:
        update = tf.function(update)
    for step in range(count):
        scale = 10.0 ** (step - 2)
        update(
            *(
                tf.constant(scale * generator.normal(size=shape), tf.float32)
                for shape in SHAPES
            )
        )
    return [keras.ops.convert_to_numpy(weight) for weight in weights]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_clipnorm": 1.0},
        {"global_clipnorm": 1e9},
        {"weight_decay": 0.1},
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
        {"use_ema": True, "ema_momentum": 0.9},
        {"amsgrad": True},
        {"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 4)},
        {"gradient_accumulation_steps": 2},
        {"gradient_accumulation_steps": 2, "global_clipnorm": 1.0},
        {"clipnorm": 0.5},
    ],
)
def test_takes_the_steps_of_keras(options, compiled):
    options = {"learning_rate": 0.01, **options}
    want = steps(keras.optimizers.Adam(**options), compiled)
    got = steps(FusedAdam(**options), compiled)
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_is_saved_with_its_options():
    adam = FusedAdam(0.01, global_clipnorm=2.0)
    adam.apply([tf.ones((2,))], [keras.Variable([1.0, 2.0])])
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(adam)
    )
    assert type(again) is FusedAdam
    assert again.global_clipnorm == adam.global_clipnorm == 2.0


def test_gradients_that_are_no_numbers_are_not_hidden():
    weights = [keras.Variable([1.0]), keras.Variable([1.0])]
    FusedAdam(0.1, global_clipnorm=1.0).apply(
        [tf.constant([np.nan], tf.float32), tf.constant([1.0])], weights
    )
    assert all(np.isnan(keras.ops.convert_to_numpy(each)).all() for each in weights)
