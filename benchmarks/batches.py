"""The vocabulary and the batches that what is compared trains on."""

from typing import Any

from benchmarks.sizes import subwords_to_learn
from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.batches.bucketing import Batch
from keras_attn.training.batches.pipeline import Pipeline, make_pipeline
from keras_attn.training.corpora import Corpus
from keras_attn.training.recipes import Recipe

__all__ = ["full_batches", "learn_codec", "training_pipeline"]


def learn_codec(recipe: Recipe, corpus: Corpus) -> SubwordCodec:
    """Returns one codec for both languages, learnt from the training pairs."""
    texts = [text for pair in corpus.train for text in (pair.source, pair.target)]
    # The model keeps its size where the corpus has fewer subwords.
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
    """Returns the batches of the first epoch that have as many pairs as they may."""
    size = recipe.training.batch_size
    return [batch for batch in pipeline.plan(0) if len(batch.indices) == size]
