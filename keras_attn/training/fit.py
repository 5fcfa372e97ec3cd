"""From a recipe to a saved translator."""

import contextlib
import dataclasses
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import keras_attn
from keras_attn import Seq2Seq, Seq2SeqConfig, Translator
from keras_attn.metrics import MaskedCrossentropy, Perplexity, TokenAccuracy
from keras_attn.text import SubwordCodec, learn_subwords
from keras_attn.training.alignment.guidance import linked_corpus
from keras_attn.training.alignment.shortlist import learn_shortlist
from keras_attn.training.alignment.token_links import guided
from keras_attn.training.batches.pipeline import Pipeline, make_pipeline
from keras_attn.training.batches.subwords import sampling_of
from keras_attn.training.batches.token_cache import cache_folder
from keras_attn.training.callbacks import WatchTranslations, WriteTensorBoard
from keras_attn.training.callbacks.progress_bar import ShowProgress
from keras_attn.training.callbacks.weight_averaging import (
    EpochWeights,
    average_if_better,
)
from keras_attn.training.corpora import Corpus, load_corpus
from keras_attn.training.corpora.sample import sample_pairs
from keras_attn.training.loop.guided_seq2seq import GuidedSeq2Seq
from keras_attn.training.loop.optimizer import FusedAdam
from keras_attn.training.loop.resumable import train_resumably
from keras_attn.training.loop.schedule import make_schedule
from keras_attn.training.loop.threads import limit_threads
from keras_attn.training.loop.train_step import evaluate
from keras_attn.training.loop.workers import Workers, find_workers
from keras_attn.training.recipes import Recipe, TrainingOptions
from keras_attn.training.runs.environment import describe_environment
from keras_attn.training.runs.run_folder import RunFolder, atomic_write

__all__ = ["compile_seq2seq", "fit"]


def fit(recipe: Recipe, out: Path, log: Callable[[str], None]) -> dict[str, Any]:
    """Trains a translator as the recipe says and saves it in the run folder.

    Where the folder holds an unfinished run of the same recipe, it goes on. With
    several workers, all call this; the chief writes the folder.

    Args:
        recipe: Every option of the run.
        out: The run folder: new, empty, or of an unfinished run.
        log: Gets a line for people at each stage.

    Returns:
        The report that is also written to `report.json`.

    Raises:
        FileExistsError: If `out` holds a finished run, or one of another recipe.
        CorpusError: If the corpus cannot be read.
        ValueError: If workers differ in what they train on, or the run goes on with
            another corpus than it began with.
        OSError: If a file cannot be written.
        RuntimeError: If training diverges, or a worker is lost.
        SystemExit: When SIGINT or SIGTERM came, after saving a checkpoint.
    """
    started = time.monotonic()
    run = RunFolder(out)
    run.check(recipe)
    limit_threads(recipe.training)
    workers = find_workers()
    lock = run.locked() if workers.is_chief else contextlib.nullcontext()
    with lock, workers.together():
        run.check(recipe)  # again: another process may have trained here just now
        report = _fit(recipe, run, workers, log, started)
        workers.wait()  # the connection lives as long as the chief writes
    return report


def _fit(recipe, run, workers: Workers, log, started):
    cache = cache_folder(recipe.corpus.cache, run, workers)
    corpus = load_corpus(recipe.corpus, cache)
    for line in corpus.describe():
        log(line)
    if workers.is_chief and not run.recipe.exists():
        run.write_environment(describe_environment())
        run.write_text(run.recipe, recipe.to_toml())
    keras.utils.set_random_seed(recipe.training.seed)
    links = recipe.alignment.links
    if links is not None:
        corpus = linked_corpus(corpus, links, recipe.corpus.words, log)
    source_codec, target_codec = _learn_codecs(recipe, corpus, log)
    train, validation = _pipelines(
        recipe, corpus, source_codec, target_codec, cache, log
    )
    log(f"train: {train.describe()}")
    log(f"validation: {validation.describe()}")
    seq2seq = GuidedSeq2Seq(
        _config(recipe, source_codec, target_codec),
        alignment_weight=0.0 if links is None else recipe.alignment.weight,
        reads_own_words=recipe.training.scheduled_sampling is not None,
        dtype=recipe.training.precision,
    )
    log(f"model: {seq2seq.count_params():,} parameters")
    options = recipe.training
    compile_seq2seq(seq2seq, options, train.steps_per_epoch * options.epochs)
    callbacks = []
    if workers.is_chief:
        codecs = source_codec, target_codec
        callbacks = _callbacks(seq2seq, recipe, codecs, corpus, train, run, log)
    trained = train_resumably(
        seq2seq, recipe, train, validation, run, workers, callbacks, log
    )
    report = {
        "keras_attn": keras_attn.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "workers": workers.count,
        "params": seq2seq.count_params(),
        "train_pairs": train.kept,
        "dropped_too_long": train.dropped_too_long,
        **trained.figures,
    }
    if workers.is_chief:
        weights, average = _better_weights(seq2seq, options, trained, validation, run)
        _save_translator(run, recipe, seq2seq.config, weights, codecs, train, log)
        seconds = round(time.monotonic() - started, 1)
        report |= {**average, "total_seconds": seconds}
        run.write_report(report)
        run.remove_checkpoints()
    return report


def _better_weights(seq2seq, options, trained, validation, run):
    """Returns the weights to save, and what the report says if they were averaged."""
    if options.average is None:
        return trained.weights, {}
    taken, told = average_if_better(
        seq2seq,
        run,
        lambda: evaluate(seq2seq, validation.epoch(), options.label_smoothing),
        trained.figures["validation"],
    )
    return trained.weights if taken is None else taken, told


def _callbacks(seq2seq, recipe, codecs, corpus, train, run, log):
    """Returns what the chief shows and writes besides checkpoints."""
    options = recipe.training
    watched = WatchTranslations(
        Translator(seq2seq, *_distinct(recipe, codecs), beam_size=1),
        corpus.validation,
        every=options.validation_bleu,
        samples=options.samples,
        run=run,
        log=log,
    )
    # BLEU first: the others show it.
    found = [watched, ShowProgress(train.steps_per_epoch)]
    if options.average is not None:
        kept = EpochWeights(run.epoch_weights, options.average, options.average_of)
        found.append(kept)
    if options.tensorboard:
        found.append(WriteTensorBoard(run.tensorboard, lambda: watched.latest))
    return found


def _distinct(recipe, codecs):
    """Returns the codecs as a `Translator` takes them: a shared one once."""
    source, target = codecs
    return source, None if recipe.text.shared else target


def _save_translator(run, recipe, config, weights, codecs, train, log):
    # A model that was never compiled, so that no optimizer state is saved with it; in
    # float32, whatever it was trained in.
    best = Seq2Seq(config)
    best.set_weights(weights)
    source_codec, target_codec = codecs
    decoding = dataclasses.asdict(recipe.decoding)
    precision = decoding.pop("precision")
    if recipe.decoding.shortlist is not None:
        log("learning which words translate which")
        decoding["shortlist"] = learn_shortlist(
            train, source_codec, target_codec, recipe.decoding.shortlist
        )
    translator = Translator(best, *_distinct(recipe, codecs), **decoding)
    with atomic_write(run.translator) as aside:
        translator.in_precision(precision).save(aside)


def _learn_codecs(recipe, corpus: Corpus, log):
    """Learns the vocabularies, from the training split alone."""
    text = recipe.text

    def learn(sentences):
        return SubwordCodec(
            learn_subwords(
                sentences,
                text.vocabulary_size,
                character_coverage=text.character_coverage,
                model_type=text.model_type,
                symbols=text.symbols,
            )
        )

    sides = 2 if text.shared else 1
    sample = sample_pairs(corpus.train, text.sample_sentences, sides)
    if len(sample) < len(corpus.train):
        log(f"learning subwords from {len(sample):,} of the training pairs")
    sources = [pair.source for pair in sample]
    targets = [pair.target for pair in sample]
    if text.shared:
        codec = learn([*sources, *targets])
        log(f"vocabulary: {codec.vocabulary_size:,} subwords, shared")
        return codec, codec
    source_codec, target_codec = learn(sources), learn(targets)
    log(
        f"vocabularies: {source_codec.vocabulary_size:,} source subwords, "
        f"{target_codec.vocabulary_size:,} target subwords"
    )
    return source_codec, target_codec


def _pipelines(
    recipe, corpus, source_codec, target_codec, cache, log
) -> tuple[Pipeline, Pipeline]:
    options = recipe.training

    def pipeline(pairs, **more):
        made = make_pipeline(
            pairs,
            source_codec,
            target_codec,
            batch_size=options.batch_size,
            batch_tokens=options.batch_tokens,
            max_length=options.max_length,
            few_shapes=options.jit_compile,
            cache=cache,
            log=log,
            **more,
        )
        if recipe.alignment.links is None:
            return made
        return guided(made, pairs, source_codec, target_codec, recipe.corpus.words)

    sampling = sampling_of(recipe.text, options.seed)
    train = pipeline(corpus.train, shuffle_seed=options.seed, sampling=sampling)
    return train, pipeline(corpus.validation, shuffle_seed=None)


def _config(recipe, source_codec, target_codec) -> Seq2SeqConfig:
    return Seq2SeqConfig(
        source_vocabulary_size=source_codec.vocabulary_size,
        target_vocabulary_size=target_codec.vocabulary_size,
        pad_id=target_codec.pad_id,
        seed=recipe.training.seed,
        **dataclasses.asdict(recipe.model),
    )


def compile_seq2seq(seq2seq: Seq2Seq, options: TrainingOptions, steps: int) -> None:
    """Compiles a model for `fit` as the training section of a recipe says.

    Args:
        seq2seq: The model.
        options: Loss, optimizer and schedule.
        steps: Updates until the schedule ends.
    """
    pad_id = seq2seq.config.pad_id
    seq2seq.compile(
        optimizer=_optimizer(options, steps),
        loss=MaskedCrossentropy(options.label_smoothing, pad_id=pad_id),
        metrics=[TokenAccuracy(pad_id=pad_id), Perplexity(pad_id=pad_id)],
        jit_compile=True if options.jit_compile else "auto",
    )


def _optimizer(options, steps):
    average = {}
    if options.ema_momentum is not None:
        average = {"use_ema": True, "ema_momentum": options.ema_momentum}
    accumulated = options.gradient_accumulation_steps
    # With a `weight_decay` this is AdamW. Without one it passes over no weight for it.
    return FusedAdam(
        make_schedule(options, steps),
        weight_decay=options.weight_decay or None,
        global_clipnorm=options.clip_norm,
        # Keras's word for "do not".
        gradient_accumulation_steps=accumulated if accumulated > 1 else None,
        **average,
    )
