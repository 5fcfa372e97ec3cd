"""What is compared, and the batches that all of them train on."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.batches import full_batches, learn_codec, training_pipeline
from benchmarks.peers.plain_keras import plain_keras
from benchmarks.sizes import make_config
from benchmarks.steps import make_model
from training.corpora import Corpus
from training.pipeline import dataset_of
from training.recipes import Recipe

__all__ = ["CONTENDERS", "Batches", "draw_batches"]


@dataclasses.dataclass(frozen=True)
class Batches:
    """Batches in memory, the same at every pass.

    Attributes:
        dataset: Of `({"source": (B, S), "target": (B, T)}, labels (B, T))`.
        count: Batches.
        source_tokens: In all batches, without padding.
        target_tokens: The same.
        shapes: Different `(B, S, T)`.
    """

    dataset: tf.data.Dataset
    count: int
    source_tokens: int
    target_tokens: int
    shapes: int


def draw_batches(recipe: Recipe, corpus: Corpus, count: int) -> Batches:
    """Returns the first full batches of the recipe's first epoch."""
    codec = learn_codec(recipe, corpus)
    pipeline = training_pipeline(recipe, corpus, codec, codec)
    full = full_batches(recipe, pipeline)[:count]
    elements = [pipeline.collate(batch) for batch in full]
    return Batches(
        dataset=dataset_of(elements.__getitem__, len(elements)),
        count=len(elements),
        source_tokens=sum(
            int(np.sum(inputs["source"] != codec.pad_id)) for inputs, _ in elements
        ),
        target_tokens=sum(
            int(np.sum(labels != codec.pad_id)) for _, labels in elements
        ),
        shapes=len({(*i["source"].shape, i["target"].shape[1]) for i, _ in elements}),
    )


def _changed(**options: Any) -> Callable[[Recipe, int], Any]:
    """Ours with other training options."""

    def make(recipe: Recipe, steps: int) -> Any:
        training = dataclasses.replace(recipe.training, **options)
        return make_model(dataclasses.replace(recipe, training=training), steps)

    return make


def _plain_keras(recipe: Recipe, steps: int) -> Any:
    options = recipe.training
    return plain_keras(make_config(recipe), options.learning_rate, options.clip_norm)


# From a recipe and the steps of its schedule to a compiled model.
CONTENDERS: dict[str, Callable[[Recipe, int], Any]] = {
    "keras_attn": make_model,
    "keras_attn_bfloat16": _changed(precision="mixed_bfloat16"),
    "keras_attn_xla": _changed(jit_compile=True),
    "plain_keras": _plain_keras,
}
