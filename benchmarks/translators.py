"""A translator to measure, sentences for it, its export, and a server of it."""

import collections
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.options import corpus_name, log
from benchmarks.training import subwords_to_learn
from keras_attn import Translation, Translator
from keras_attn.saved import find_translator
from keras_attn.serving.signature import TRANSLATE
from keras_attn.training.corpora import Corpus, CorpusError, SentencePair
from keras_attn.training.fit import fit
from keras_attn.training.recipes import Recipe
from keras_attn.training.runs.run_folder import RunFolder
from keras_attn.translation import translations_from_outputs, utf8

# For a server of 16-bit models (docs/serving.md).
FROZEN_WEIGHTS = {"TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"}

# Translates texts as one batch.
Translate = Callable[[Sequence[str]], list[Translation]]


def find_or_train(path: Path | None, recipe: Recipe, epochs: int) -> Translator:
    """Returns a saved translator, or trains one as `keras-attn train` does.

    Args:
        path: A .keras file or its run folder; `None`: train.
        recipe: What to train.
        epochs: A few are enough to write sentences that end, on which time depends.

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


def describe_translator(
    translator: Translator, path: Path | None, epochs: int
) -> dict[str, Any]:
    """Returns which translator was measured, for its results."""
    return {
        "translator": "trained here" if path is None else path.resolve().name,
        "train_epochs": epochs if path is None else None,
        "parameters": translator.seq2seq.count_params(),
        "vocabulary": translator.seq2seq.config.target_vocabulary_size,
    }


def take_test(corpus: Corpus, count: int | None) -> tuple[str, list[SentencePair]]:
    """Returns the name of the corpus's first test, and its first pairs or all.

    Raises:
        CorpusError: If the corpus has no test.
    """
    for name, pairs in corpus.tests.items():
        return name, list(pairs)[:count]
    raise CorpusError(
        "A test split of the corpus is translated. Received: no test. "
        f"Put test.{corpus.source_language} and test.{corpus.target_language} beside "
        "the others."
    )


def load_exported(version: Path) -> Translate:
    """Returns the signature of an exported version as a function of texts."""
    loaded = tf.saved_model.load(str(version))

    def translate(texts: Sequence[str]) -> list[Translation]:
        # By attribute: its variables live as long as `loaded` does.
        outputs = loaded.signatures[TRANSLATE.name](
            text=tf.constant([utf8(text) for text in texts], tf.string)
        )
        arrays = {name: np.asarray(value) for name, value in outputs.items()}
        return translations_from_outputs(texts, arrays)

    return translate


def start_server(
    models_dir: Path, *options: str, port: int | str = 0, frozen_weights: bool = False
) -> tuple[subprocess.Popen, str]:
    """Starts `keras-attn serve` in a process of its own, and waits until it listens.

    Args:
        models_dir: Base path of the exported model.
        *options: More of its command line.
        port: Port of gRPC; 0: any free one.
        frozen_weights: Whether TensorFlow keeps weights as oneDNN's products want them.

    Returns:
        The process, to be ended by the caller, and its address `HOST:PORT`.

    Raises:
        RuntimeError: If it stops before it listens.
    """
    command = [sys.executable, "-m", "keras_attn.cli", "serve"]
    process = subprocess.Popen(
        [*command, str(models_dir), "--port", str(port), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(FROZEN_WEIGHTS if frozen_weights else {})},
    )
    # Its messages are read to their end, or it would wait for a reader.
    messages: collections.deque[str] = collections.deque(maxlen=10)

    def read_messages() -> None:
        with process.stderr as stream:  # type: ignore[union-attr]
            messages.extend(stream)

    reader = threading.Thread(target=read_messages)
    reader.start()
    for line in process.stdout or ():
        if line.startswith("listening on "):
            return process, line.split()[2]
    code = end_server(process)
    reader.join()
    raise RuntimeError(
        f"The server must print where it listens. Received: exit code {code} and "
        f"{''.join(messages)}"
    )


def end_server(process: subprocess.Popen, signal: int | None = None) -> int:
    """Sends a signal to a server, waits for its end and returns its exit code."""
    if signal is not None:
        process.send_signal(signal)
    code = process.wait(timeout=60)
    if process.stdout is not None:
        process.stdout.close()
    return code


@contextlib.contextmanager
def serve(
    models_dir: Path, *options: str, frozen_weights: bool = False
) -> Iterator[str]:
    """Runs `keras-attn serve` on a free port and yields its address.

    Arguments: those of `start_server`.

    Raises:
        RuntimeError: If the server stops before it listens.
    """
    process, address = start_server(models_dir, *options, frozen_weights=frozen_weights)
    try:
        yield address
    finally:
        process.terminate()
        end_server(process)
