"""Training steps on batches of one exact shape, without padding."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from benchmarks.sizes import make_config
from keras_attn import Seq2Seq
from keras_attn.training.batches.pipeline import dataset_of
from keras_attn.training.fit import compile_seq2seq
from keras_attn.training.loop.train_step import NO_SUMS, Steps
from keras_attn.training.loop.workers import Workers
from keras_attn.training.recipes import Recipe, TrainingOptions

__all__ = ["Shape", "make_model", "make_pass", "random_batches"]

_LAST_SPECIAL = 3  # ids up to this one are padding, start and the like
_SCHEDULE = 1_000_000  # steps: the learning rate stays what it is


@dataclasses.dataclass(frozen=True)
class Shape:
    """How large the batch of a step is.

    Attributes:
        batch: Sentences.
        source: Tokens of each source, end token included.
        target: Tokens of each target, end token included.
    """

    batch: int
    source: int
    target: int


def make_model(recipe: Recipe, steps: int = _SCHEDULE) -> Seq2Seq:
    """Returns a model with the sizes of a recipe, compiled as for training.

    Args:
        recipe: Sizes and training options.
        steps: Updates until the schedule of the learning rate ends.
    """
    model = Seq2Seq(make_config(recipe), dtype=recipe.training.precision)
    compile_seq2seq(model, recipe.training, steps)
    return model


def make_pass(
    model: Seq2Seq, options: TrainingOptions, dataset: tf.data.Dataset
) -> Callable[[], None]:
    """Returns what takes the steps of `keras-attn train` on each batch of a dataset.

    Args:
        model: Compiled.
        options: How to train.
        dataset: Of batches as training gets them.
    """
    model.optimizer.build(model.trainable_variables)
    steps = Steps(
        model,
        Workers(tf.distribute.get_strategy()),
        batches=dataset.element_spec,
        label_smoothing=options.label_smoothing,
        parts=options.batch_parts,
        jit_compile=options.jit_compile,
    )

    def train() -> None:
        sums = tf.constant(NO_SUMS, tf.float64)
        for batch in dataset:
            sums, _ = steps.train(batch, sums, False)
            sums.numpy()  # as training does, to see whether it diverges

    return train


def random_batches(vocabulary_size: int, shape: Shape, count: int) -> tf.data.Dataset:
    """Returns the same batch of random ids so many times, as training gets batches.

    Args:
        vocabulary_size: Ids are below it.
        shape: Of the batch.
        count: Steps to make of it.
    """
    draw = np.random.default_rng(0)

    def ids(length: int) -> np.ndarray:
        size = (shape.batch, length)
        return draw.integers(_LAST_SPECIAL + 1, vocabulary_size, size, dtype="int32")

    labels = ids(shape.target)
    element = {"source": ids(shape.source), "target": np.roll(labels, 1, 1)}, labels
    return dataset_of(lambda _: element, count)
