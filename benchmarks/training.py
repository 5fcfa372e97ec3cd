"""The model, the batches and the training steps that benchmarks share."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_attn import Seq2Seq, Seq2SeqConfig
from keras_attn.metrics import MaskedCrossentropy, Perplexity, TokenAccuracy
from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.batches.bucketing import Batch
from keras_attn.training.batches.pipeline import Pipeline, batch_dataset, make_pipeline
from keras_attn.training.corpora import Corpus
from keras_attn.training.loop.optimizer import make_optimizer
from keras_attn.training.loop.train_step import ZERO_SUMS, TrainStep
from keras_attn.training.loop.workers import Workers
from keras_attn.training.recipes import Recipe, TrainingOptions

_BUILTIN_SUBWORDS = 400  # the words of the built-in corpus have no more
_LAST_SPECIAL_ID = 3
_CONSTANT_RATE = 1_000_000  # steps of a schedule that ends after the measurement


@dataclasses.dataclass(frozen=True)
class Shape:
    """A batch without padding: pairs, and tokens of each with its end token."""

    batch: int
    source: int
    target: int


def make_config(recipe: Recipe) -> Seq2SeqConfig:
    """Returns the recipe's model with a full vocabulary, whatever the corpus has."""
    size = recipe.text.vocabulary_size
    return Seq2SeqConfig(
        source_vocabulary_size=size,
        target_vocabulary_size=size,
        seed=recipe.training.seed,
        **dataclasses.asdict(recipe.model),
    )


def make_model(recipe: Recipe, steps: int = _CONSTANT_RATE) -> Seq2Seq:
    """Returns the recipe's model, compiled for training.

    Args:
        recipe: Sizes and training options.
        steps: Updates until the schedule of the learning rate ends.
    """
    model = Seq2Seq(make_config(recipe), dtype=recipe.training.precision)
    options, pad_id = recipe.training, model.config.pad_id
    # Loss and metrics are those of `model.fit`; our own loop computes them itself.
    model.compile(
        make_optimizer(options, steps),
        loss=MaskedCrossentropy(options.label_smoothing, pad_id=pad_id),
        metrics=[TokenAccuracy(pad_id=pad_id), Perplexity(pad_id=pad_id)],
        jit_compile=True if options.jit_compile else "auto",
    )
    return model


def make_pass(
    model: Seq2Seq, options: TrainingOptions, dataset: tf.data.Dataset
) -> Callable[[], None]:
    """Returns a function that takes the steps of `keras-attn train` on a dataset."""
    model.optimizer.build(model.trainable_variables)
    steps = TrainStep(
        model,
        Workers(tf.distribute.get_strategy()),
        batch_spec=dataset.element_spec,
        label_smoothing=options.label_smoothing,
        parts=options.batch_parts,
        jit_compile=options.jit_compile,
    )

    def train() -> None:
        sums = tf.constant(ZERO_SUMS, tf.float64)
        for batch in dataset:
            sums, _ = steps.train(batch, sums, False)
            sums.numpy()  # as training does, to see whether it diverges

    return train


def random_batches(vocabulary_size: int, shape: Shape, count: int) -> tf.data.Dataset:
    """Returns one batch of random ids below the vocabulary size, `count` times."""
    random = np.random.default_rng(0)

    def ids(length: int) -> np.ndarray:
        size = (shape.batch, length)
        return random.integers(_LAST_SPECIAL_ID + 1, vocabulary_size, size, "int32")

    labels = ids(shape.target)
    element = {"source": ids(shape.source), "target": np.roll(labels, 1, 1)}, labels
    return batch_dataset(lambda _: element, count)


def subwords_to_learn(recipe: Recipe) -> int:
    """Returns the vocabulary size that the recipe's corpus allows."""
    size = recipe.text.vocabulary_size
    return min(size, _BUILTIN_SUBWORDS) if recipe.corpus.kind == "builtin" else size


def learn_codec(recipe: Recipe, corpus: Corpus) -> SubwordCodec:
    """Returns one codec for both languages, learnt from the training pairs."""
    texts = [text for pair in corpus.train for text in (pair.source, pair.target)]
    size = subwords_to_learn(recipe)
    return SubwordCodec(learn_subwords(texts, size, model_type=recipe.text.model_type))


def training_pipeline(
    recipe: Recipe, corpus: Corpus, source_codec: Any, target_codec: Any
) -> Pipeline:
    """Returns the training pairs in batches, as the recipe's training has them."""
    options = recipe.training
    return make_pipeline(
        corpus.train,
        source_codec,
        target_codec,
        batch_size=options.batch_size,
        max_length=options.max_length,
        shuffle_seed=options.seed,
    )


def full_batches(recipe: Recipe, pipeline: Pipeline) -> list[Batch]:
    """Returns the batches of the first epoch that have the full number of pairs."""
    size = recipe.training.batch_size
    return [batch for batch in pipeline.plan(0) if len(batch.indices) == size]
