"""A translator to measure, sentences to give it, and its export in this process."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tensorflow as tf
import typer

from benchmarks.batches import training_pipeline
from benchmarks.command_line import corpus_name, log
from benchmarks.sizes import subwords_to_learn
from keras_attn import Translation, Translator
from keras_attn.layers.decoder.lexical_shortlist import LexicalShortlist
from keras_attn.saved import find_translator
from keras_attn.serving.signature import TRANSLATE
from keras_attn.training.alignment.shortlist import learn_shortlist
from keras_attn.training.corpora import Corpus, CorpusError, SentencePair
from keras_attn.training.fit import fit
from keras_attn.training.recipes import Recipe
from keras_attn.training.runs.run_folder import RunFolder
from keras_attn.translation import translations_from_outputs, utf8

__all__ = [
    "Answer",
    "SavedTranslator",
    "TrainEpochs",
    "describe_translator",
    "find_or_train",
    "learn_from",
    "load_exported",
    "take_test",
]

SavedTranslator = Annotated[
    Path | None,
    typer.Option(
        help="A .keras file, or the run folder that holds it.",
        show_default="one that is trained now",
    ),
]
TrainEpochs = Annotated[
    int, typer.Option(min=1, help="Without --translator: length of its training.")
]

# Texts in, their translations out, computed as one batch.
Answer = Callable[[Sequence[str]], list[Translation]]


def find_or_train(path: Path | None, recipe: Recipe, epochs: int) -> Translator:
    """Returns a saved translator, or trains one as `keras-attn train` does.

    Args:
        path: A .keras file or its run folder; `None`: train.
        recipe: What to train.
        epochs: Passes over the training pairs. A few are enough to write sentences
            that end, which is what time depends on.

    Raises:
        OSError: If there is no such file.
    """
    if path is not None:
        return Translator.load(find_translator(path))
    log(f"No --translator: training one for {epochs} epochs on {corpus_name(recipe)}.")
    subwords = subwords_to_learn(recipe)
    short = [f"training.epochs={epochs}", f"text.vocabulary_size={subwords}"]
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        fit(recipe.override(short), run.path, log)
        return Translator.load(run.translator)


def learn_from(
    corpus: Corpus, translator: Translator, recipe: Recipe, words: int
) -> LexicalShortlist:
    """Returns a shortlist for a translator, learnt from the training pairs."""
    codecs = translator.source_codec, translator.target_codec
    train = training_pipeline(recipe, corpus, *codecs)
    return learn_shortlist(train, *codecs, words)


def describe_translator(
    translator: Translator, path: Path | None, epochs: int
) -> dict[str, Any]:
    """Says which translator was measured, beside the figures."""
    return {
        "translator": "trained here" if path is None else path.resolve().name,
        "train_epochs": epochs if path is None else None,
        "parameters": translator.seq2seq.count_params(),
        "vocabulary": translator.seq2seq.config.target_vocabulary_size,
    }


def take_test(corpus: Corpus, count: int | None) -> tuple[str, list[SentencePair]]:
    """Returns the name of the first test, and its first pairs.

    Args:
        corpus: What was read.
        count: Pairs; `None`: all.

    Raises:
        CorpusError: If the corpus has no test.
    """
    for name, pairs in corpus.tests.items():
        return name, list(pairs)[:count]
    raise CorpusError(
        "What is translated is a test split of the corpus. Received: no test. "
        f"Put test.{corpus.source_language} and test.{corpus.target_language} beside "
        "the others."
    )


def load_exported(version: Path) -> Answer:
    """Loads an exported version and returns its signature as a function of texts.

    Args:
        version: The folder that `export_translator` returned.
    """
    loaded = tf.saved_model.load(str(version))

    def answer(texts: Sequence[str]) -> list[Translation]:
        # By attribute: its variables live as long as `loaded` does.
        outputs = loaded.signatures[TRANSLATE.name](
            text=tf.constant([utf8(text) for text in texts], tf.string)
        )
        arrays = {name: np.asarray(value) for name, value in outputs.items()}
        return translations_from_outputs(texts, arrays)

    return answer
