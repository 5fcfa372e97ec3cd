"""The training of each contender, in a process of its own, with its curve."""

import contextlib
import dataclasses
import functools
import itertools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from benchmarks import options
from benchmarks.child import json_process
from benchmarks.peers.environments import script_environment
from benchmarks.peers.plain_keras import plain_keras
from benchmarks.peers.plain_text import encode_texts, make_text_search
from benchmarks.peers.scripts.protocol import SIZES, without_specials
from benchmarks.time_to_quality.recorder import (
    Plan,
    Recorder,
    RecordingCallback,
    Sentences,
    TrainingEnded,
    Translate,
)
from keras_attn import Seq2SeqConfig, Translator
from keras_attn.text import SubwordCodec
from keras_attn.training.batches.pipeline import Pipeline, make_pipeline
from keras_attn.training.corpora import load_corpus
from keras_attn.training.fit import fit, make_codecs
from keras_attn.training.loop.machine import set_operation_threads
from keras_attn.training.recipes import Recipe
from keras_attn.translator.batches import map_in_batches

# Policies of the plain Keras model.
PLAIN_PRECISIONS = {"plain_keras": "float32", "plain_keras_bfloat16": "mixed_bfloat16"}
PYTORCH = "pytorch"

_BATCH = 64  # sentences that are translated together, as `Translator.translate` does
_NO_END = 1_000_000  # epochs of a training that ends by its clock

Log = Callable[[str], None]


def make_training(
    name: str,
    recipe: str,
    learning_rate: float | None,
    plan: Mapping[str, Any],
    sentences: Mapping[str, Any],
    python: str | None = None,
    threads: int | None = None,
) -> Callable[[Any], dict[str, Any]]:
    """Returns the function that trains a contender; runs in a child process.

    Args:
        name: One of `PLAIN_PRECISIONS`, `PYTORCH`, or another name for ours.
        recipe: Sizes, text and training options as TOML.
        learning_rate: That of a peer; `None`: the recipe's.
        plan: The fields of a `Plan`.
        sentences: The fields of the `Sentences` that are translated.
        python: Interpreter that has PyTorch.
        threads: Number of threads that PyTorch computes with.

    Returns:
        A function of nothing to `curve`, `epochs`, `seconds`, `tokens_per_s`,
        `parameters`, `prepare_seconds` and `added_seconds`.
    """
    parsed = Recipe.from_toml(recipe)
    rate = "" if learning_rate is None else f", learning rate {learning_rate:g}"

    def log(line: str) -> None:
        options.log(f"[{name}{rate}] {line}")

    record = functools.partial(Recorder, Plan(**plan), Sentences(**sentences))

    def train(_: Any) -> dict[str, Any]:
        if name in PLAIN_PRECISIONS:
            precision = PLAIN_PRECISIONS[name]
            return _train_plain(parsed, precision, learning_rate, record, log)
        if name == PYTORCH:
            arguments = {"python": python, "threads": threads}
            return _train_pytorch(parsed, learning_rate, record, log, **arguments)
        return _train_ours(parsed, record, log)

    return train


class _Prepared(NamedTuple):
    """Text as ids, ready for training, and the seconds that it took."""

    codecs: tuple[SubwordCodec, SubwordCodec]
    batches: Pipeline
    seconds: float


def _prepare(recipe: Recipe, log: Log) -> _Prepared:
    """Reads the corpus, learns its vocabulary and tokenises it, as all do."""
    started = time.perf_counter()
    corpus = load_corpus(recipe.corpus)
    codecs = make_codecs(recipe, None, corpus, log)
    training = recipe.training
    batches = make_pipeline(
        corpus.train,
        *codecs,
        batch_size=training.batch_size,
        batch_tokens=training.batch_tokens,
        max_length=training.max_length,
        shuffle_seed=training.seed,
    )
    seconds = time.perf_counter() - started
    log(f"{batches.describe()}, prepared in {seconds:.0f} s")
    return _Prepared(codecs, batches, seconds)


def _train_ours(
    recipe: Recipe, record: Callable[..., Recorder], log: Log
) -> dict[str, Any]:
    """Trains as `keras-attn train` does.

    What it takes before the first epoch beyond `_prepare`, such as learning links and
    making the model, counts as training.
    """
    set_operation_threads(recipe.training)
    prepared = _prepare(recipe, log)
    outcome: dict[str, Any] = {}
    recorders: list[Recorder] = []
    started = time.perf_counter()

    def make_callbacks(translator: Translator, batches: Pipeline) -> Sequence[Any]:
        seconds = time.perf_counter() - started
        outcome["added_seconds"] = round(max(0.0, seconds - prepared.seconds), 1)

        def translate(texts: Sequence[str]) -> list[str]:
            with averaged_weights(translator.seq2seq):
                outputs = translator.translate(texts, beam_size=1)
            return [output.text for output in outputs]

        recorder = record(translate, log, outcome["added_seconds"])
        recorders.append(recorder)
        outcome["parameters"] = translator.seq2seq.count_params()
        outcome["target_tokens"] = batches.target_tokens
        recorder.resume()  # the training loop is made now
        return [RecordingCallback(recorder, batches.steps_per_epoch)]

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(TrainingEnded):
        fit(recipe, Path(folder) / "run", log, make_callbacks)
    return _outcome(recorders[0], prepared, **outcome)


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Any:
    """Puts the averages that an optimizer keeps in place of the weights, for a while.

    Without averages the weights stay.
    """
    optimizer, weights = model.optimizer, model.trainable_variables
    values = [weight.numpy() for weight in weights] if optimizer.use_ema else []
    optimizer.finalize_variable_values(weights)
    try:
        yield
    finally:
        for weight, value in zip(weights, values, strict=False):
            weight.assign(value)


def _train_plain(
    recipe: Recipe,
    precision: str,
    learning_rate: float | None,
    record: Callable[..., Recorder],
    log: Log,
) -> dict[str, Any]:
    """Trains the plain Keras model by `model.fit`."""
    prepared = _prepare(recipe, log)
    (source, target), batches = prepared.codecs, prepared.batches
    started = time.perf_counter()
    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(recipe.training.seed)
    rate = learning_rate or recipe.training.learning_rate
    model = plain_keras(_config(recipe, source), rate, recipe.training.clip_norm)
    search = make_text_search(model, source, target)

    def translate_rows(texts: Sequence[str], rows: Sequence[int]) -> list[Any]:
        return [text for text, *_ in search([texts[row] for row in rows])]

    recorder = record(_in_batches(translate_rows), log, time.perf_counter() - started)
    recorder.resume()  # `fit` builds the model before the first epoch
    with contextlib.suppress(TrainingEnded):
        model.fit(
            batches.epochs(),
            steps_per_epoch=batches.steps_per_epoch,
            epochs=_NO_END,
            shuffle=False,
            verbose=0,
            callbacks=[RecordingCallback(recorder, batches.steps_per_epoch)],
        )
    return _outcome(
        recorder,
        prepared,
        parameters=model.count_params(),
        target_tokens=batches.target_tokens,
    )


def _train_pytorch(
    recipe: Recipe,
    learning_rate: float | None,
    record: Callable[..., Recorder],
    log: Log,
    *,
    python: Any,
    threads: Any,
) -> dict[str, Any]:
    """Trains the PyTorch model in its environment, which gets the batches from here.

    Its own clock counts what it does with a batch, not the sending.
    """
    prepared = _prepare(recipe, log)
    (source, target), batches = prepared.codecs, prepared.batches
    training, config = recipe.training, _config(recipe, source)
    special = {"pad_id": source.pad_id, "end_id": source.end_id}
    sizes = {
        **{name: getattr(config, name) for name in SIZES},
        **special,
        "vocabulary_size": source.vocabulary_size,
        "start_id": source.start_id,
        "unknown_id": source.unknown_id,
        "learning_rate": learning_rate or training.learning_rate,
        "clip_norm": training.clip_norm,
        "label_smoothing": training.label_smoothing,
    }
    script = "benchmarks.peers.scripts.pytorch_training"
    arguments = {"sizes": sizes, "threads": threads}
    process = json_process(
        [python, "-m", script], PYTORCH, arguments, script_environment(threads)
    )
    with process as ask:

        def translate_rows(texts: Sequence[str], rows: Sequence[int]) -> list[Any]:
            encoded = encode_texts(source, [texts[row] for row in rows])
            ids = [row[:-1] for row in encoded.ids.to_list()]
            limits = encoded.limits.numpy().tolist()
            written = ask({"source": ids, "limits": limits})
            outputs = target.tokenizer.detokenize(_ragged(written)).numpy()
            return [output.decode() for output in outputs]

        recorder = record(_in_batches(translate_rows), log)
        made = ask({})
        recorder.add(made["seconds"])
        with contextlib.suppress(TrainingEnded):
            for epoch in itertools.count():
                for step, batch in enumerate(batches.plan(epoch), start=1):
                    inputs, labels = batches.collate(batch)
                    question = {
                        "source": without_specials(inputs["source"], **special),
                        "target": without_specials(labels, **special),
                    }
                    recorder.add(ask(question))
                    recorder.end_batch(epoch + step / batches.steps_per_epoch)
    return _outcome(
        recorder,
        prepared,
        parameters=made["parameters"],
        target_tokens=batches.target_tokens,
    )


def _ragged(rows: Sequence[Sequence[int]]) -> Any:
    import tensorflow as tf

    flat = tf.constant(list(itertools.chain(*rows)), tf.int32)
    return tf.RaggedTensor.from_row_lengths(flat, [len(row) for row in rows])


def _in_batches(translate_rows: Callable[..., list[Any]]) -> Translate:
    """Returns the translation of texts in batches of similar length."""

    def translate(texts: Sequence[str]) -> list[Any]:
        rows_of = functools.partial(translate_rows, texts)
        return map_in_batches(rows_of, texts, _BATCH, parallel_batches=1)

    return translate


def _config(recipe: Recipe, codec: SubwordCodec) -> Seq2SeqConfig:
    return Seq2SeqConfig(
        source_vocabulary_size=codec.vocabulary_size,
        target_vocabulary_size=codec.vocabulary_size,
        pad_id=codec.pad_id,
        **dataclasses.asdict(recipe.model),
    )


def _outcome(
    recorder: Recorder,
    prepared: _Prepared,
    *,
    parameters: int,
    target_tokens: int,
    added_seconds: float = 0.0,
) -> dict[str, Any]:
    trained = max(recorder.seconds - added_seconds, 1e-9)
    return {
        "curve": recorder.curve,
        "epochs": round(recorder.epochs, 3),
        "seconds": round(recorder.seconds, 1),
        "tokens_per_s": round(recorder.epochs * target_tokens / trained, 1),
        "parameters": parameters,
        "prepare_seconds": round(prepared.seconds, 1),
        "added_seconds": added_seconds,
    }
