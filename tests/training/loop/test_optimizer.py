"""FusedAdam takes the steps of Keras's Adam; schedules follow their formulas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attn.training.loop.optimizer import (
    FusedAdam,
    make_optimizer,
    make_schedule,
    plateau_rate,
)
from keras_attn.training.recipes import RecipeError, TrainingOptions

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


@pytest.mark.parametrize(
    ("options", "compiled"),
    [
        ({}, True),
        ({}, False),
        ({"global_clipnorm": 1.0}, True),
        ({"global_clipnorm": 1e9}, True),
        ({"weight_decay": 0.1}, True),
        ({"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}, True),
        ({"use_ema": True, "ema_momentum": 0.9}, True),
        ({"amsgrad": True}, True),
        ({"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 4)}, True),
        ({"gradient_accumulation_steps": 2}, True),
        ({"gradient_accumulation_steps": 2, "global_clipnorm": 1.0}, True),
        ({"gradient_accumulation_steps": 2, "global_clipnorm": 1.0}, False),
        ({"clipnorm": 0.5}, True),
    ],
)
def test_takes_the_steps_of_keras(options, compiled):
    options = {"learning_rate": 0.01, **options}
    expected = steps(keras.optimizers.Adam(**options), compiled)
    actual = steps(FusedAdam(**options), compiled)
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_every_weight_is_updated_by_one_operation():
    weights = [keras.Variable(np.ones(shape, "float32")) for shape in SHAPES]
    adam = FusedAdam(0.01, global_clipnorm=1.0)
    adam.build(weights)
    adam.build(weights)  # as `compile` and a training loop may both do
    gradients = [tf.ones(shape) for shape in SHAPES]
    graph = tf.function(lambda: adam.apply(gradients, weights)).get_concrete_function()
    operations = [operation.type for operation in graph.graph.get_operations()]
    assert operations.count("ResourceApplyAdam") == len(SHAPES)


def test_repeated_rows_of_a_sparse_gradient_count_as_their_sum():
    weights = [keras.Variable(np.ones((3, 2), "float32")) for _ in range(2)]
    rows = tf.constant([[3.0, 0.0], [4.0, 0.0], [0.0, 1.0]])
    sparse = tf.IndexedSlices(rows, tf.constant([1, 1, 2]), tf.constant([3, 2]))
    for gradient, weight in zip(
        (sparse, tf.convert_to_tensor(sparse)), weights, strict=True
    ):
        adam = FusedAdam(0.1, global_clipnorm=0.5, epsilon=1.0)
        adam.apply([gradient], [weight])
    ours, dense = (keras.ops.convert_to_numpy(weight) for weight in weights)
    np.testing.assert_array_equal(ours, dense)


def test_is_saved_with_its_options():
    adam = FusedAdam(0.01, global_clipnorm=2.0)
    adam.apply([tf.ones((2,))], [keras.Variable([1.0, 2.0])])
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(adam)
    )
    assert type(again) is FusedAdam
    assert again.get_config() == adam.get_config()
    assert again.get_config()["global_clipnorm"] == 2.0


def test_gradients_that_are_no_numbers_are_not_hidden():
    weights = [keras.Variable([1.0]), keras.Variable([1.0])]
    FusedAdam(0.1, global_clipnorm=1.0).apply(
        [tf.constant([np.nan], tf.float32), tf.constant([1.0])], weights
    )
    assert all(np.isnan(keras.ops.convert_to_numpy(w)).all() for w in weights)


def test_a_recipe_sets_every_option():
    options = TrainingOptions(
        learning_rate=0.2,
        schedule="plateau",
        clip_norm=3.0,
        weight_decay=0.1,
        ema_momentum=0.9,
        gradient_accumulation_steps=4,
    )
    adam = make_optimizer(options, steps=10)
    assert float(adam.learning_rate) == pytest.approx(0.2)
    assert (adam.get_config()["global_clipnorm"], adam.weight_decay) == (3.0, 0.1)
    assert (adam.use_ema, adam.ema_momentum) == (True, 0.9)
    assert adam.gradient_accumulation_steps == 4
    plain = make_optimizer(TrainingOptions(clip_norm=None), steps=10)
    assert plain.get_config()["global_clipnorm"] is None
    assert plain.gradient_accumulation_steps is None
    assert not plain.weight_decay
    assert not plain.use_ema


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("constant", 0, 0.1),
        ("constant", 9, 1.0),
        ("constant", 99, 1.0),
        ("inverse_sqrt", 9, 1.0),
        ("inverse_sqrt", 39, 0.5),
        ("cosine", 0, 0.0),
        ("cosine", 10, 1.0),
        ("cosine", 55, 0.5),
        ("cosine", 100, 0.0),
    ],
)
def test_learning_rate_of_a_schedule(schedule, step, expected):
    options = TrainingOptions(learning_rate=1.0, warmup_steps=10, schedule=schedule)
    rate = float(make_schedule(options, 100)(step))
    assert rate == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("losses", "reductions"),
    [
        ([], 0),
        ([3.0], 0),
        ([3.0, 3.0], 0),  # an equal loss is no progress, but one epoch is not two
        ([3.0, 3.0, 3.5], 1),
        ([3.0, 3.5, 2.9, 3.0], 0),
        ([3.0, 3.5, 3.5, 3.5], 1),
        ([3.0, 3.5, 3.5, 3.5, 3.5], 2),
        ([3.0, 3.5, 3.5, 2.0, 2.5, 2.5], 2),
    ],
)
def test_a_plateau_of_two_epochs_reduces_the_rate(losses, reductions):
    options = TrainingOptions(
        learning_rate=0.8, plateau_patience=2, plateau_factor=0.25, warmup_steps=4
    )
    rate = 0.8 * 0.25**reductions
    assert plateau_rate(options, 99, losses) == pytest.approx(rate)
    assert plateau_rate(options, 0, losses) == pytest.approx(rate / 4)


def test_patience_of_training_is_above_that_of_the_plateau():
    with pytest.raises(RecipeError, match=r"patience=2, training\.plateau_patience=2"):
        TrainingOptions(schedule="plateau", patience=2, plateau_patience=2)
    TrainingOptions(schedule="plateau", patience=3, plateau_patience=2)
    TrainingOptions(schedule="cosine", patience=1, plateau_patience=1)
